"""What both benchmarks of access have in common: the command line, and the servers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.eventflow.stage import report, staged
from robosure.platform.logging import configure_logging
from robosure.platform.settings import get_settings

Measure = Callable[[argparse.Namespace], Awaitable[dict[str, Any]]]


def run(measure: Measure, doc: str, *, requests: int, **settings: str) -> None:
    """Start servers, measure on them, and tell.

    Args:
        measure: what to do with what the command line says.
        doc: whose first line says what is measured.
        requests: of each block, unless the command line says otherwise.
        settings: what differs from the defaults, as environment variables.
    """
    reader = argparse.ArgumentParser(description=doc.partition("\n")[0])
    reader.add_argument("--requests", type=int, default=requests, help="of each block")
    reader.add_argument("--rounds", type=int, default=9)
    reader.add_argument("--json", type=Path, help="where to write the figures")
    chosen = reader.parse_args()
    with staged() as stage:
        os.environ.update({**stage.environment, **settings})
        get_settings.cache_clear()
        configure_logging(get_settings())

        async def measured() -> dict[str, Any]:
            return await measure(chosen)

        report(uvloop.run(measured()), chosen.json)
