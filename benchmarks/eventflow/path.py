"""The whole way of an event through the product, measured part by part in one run.

    uv run benchmarks/eventflow/path.py --json path.json

Reception over HTTP, draining by one to four workers, everything together under a
steady load, and how the store grows; each beside the limits of the machine in the same
run. The parts can be run by themselves, with more to choose: see the modules beside
this one.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.eventflow import drain, reception, steady, storage
from benchmarks.eventflow.stage import report, write
from robosure.entrypoints.stack.servers import embedded_servers

_STORAGE_RUNS: Final = 100
PARTS: Final = ("reception", "drain", "drain_joints", "steady", "storage")


def measure(parts: list[str], *, quick: bool) -> Iterator[tuple[str, Any]]:
    """Measure the parts, one after the other; yield each one's name and figures."""
    yield (
        "machine",
        {
            "cores": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "python": platform.python_version(),
        },
    )
    if "reception" in parts:
        chosen = ["--seconds", "2", "--rounds", "1"] if quick else []
        arguments = reception.parser().parse_args(chosen)
        yield "reception", uvloop.run(reception.measure(arguments))
    if "drain" in parts:
        chosen = ["--events", "40000"] if quick else ["--workers", "1", "2", "4"]
        yield "drain", asyncio.run(drain.measure(drain.parser().parse_args(chosen)))
    if "drain_joints" in parts:
        chosen = ["--joints", "6", "--events", "40000" if quick else "200000"]
        arguments = drain.parser().parse_args(chosen)
        yield "drain_of_six_joints", asyncio.run(drain.measure(arguments))
    if "steady" in parts:
        chosen = ["--seconds", "10"] if quick else []
        arguments = steady.parser().parse_args(chosen)
        yield "steady", asyncio.run(steady.measure(arguments))
    if "storage" in parts:
        sizes = [1_000, 10_000] if quick else [1_000, 1_000_000, 50_000_000]
        yield "storage", list(_storage(sizes))


def _storage(sizes: list[int]) -> Iterator[Any]:
    with (
        tempfile.TemporaryDirectory(prefix="robosure-bench-") as directory,
        embedded_servers(Path(directory)) as servers,
    ):
        for size in sizes:
            yield asyncio.run(storage.run(servers.database_url, size, _STORAGE_RUNS))


def main() -> None:
    """Read the command line."""
    reader = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    reader.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART"
    )
    reader.add_argument(
        "--quick", action="store_true", help="seconds instead of minutes, and noisier"
    )
    reader.add_argument("--json", type=Path, help="where to write the figures")
    arguments = reader.parse_args()
    found: dict[str, Any] = {}
    # Told as they come, for the whole takes the better part of an hour.
    for name, figures in measure(arguments.parts, quick=arguments.quick):
        found[name] = figures
        report({name: figures}, None)
        if arguments.json is not None:
            write(found, arguments.json)


if __name__ == "__main__":
    main()
