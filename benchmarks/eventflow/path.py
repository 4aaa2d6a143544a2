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
from pathlib import Path
from typing import Any, Final

import psutil
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.eventflow import drain, reception, steady, storage
from benchmarks.eventflow.stage import report
from robosure.entrypoints.stack.servers import embedded_servers

_STORAGE_RUNS: Final = 100
PARTS: Final = ("reception", "drain", "drain_joints", "steady", "storage")


def measure(parts: list[str], *, quick: bool) -> dict[str, Any]:
    """Measure the parts, one after the other."""
    found: dict[str, Any] = {
        "machine": {
            "cores": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "python": platform.python_version(),
        }
    }
    if "reception" in parts:
        chosen = ["--seconds", "2", "--rounds", "1"] if quick else []
        arguments = reception.parser().parse_args(chosen)
        found["reception"] = uvloop.run(reception.measure(arguments))
    if "drain" in parts:
        chosen = ["--events", "40000"] if quick else ["--workers", "1", "2", "4"]
        found["drain"] = asyncio.run(drain.measure(drain.parser().parse_args(chosen)))
    if "drain_joints" in parts:
        chosen = ["--joints", "6", "--events", "40000" if quick else "200000"]
        found["drain_of_six_joints"] = asyncio.run(
            drain.measure(drain.parser().parse_args(chosen))
        )
    if "steady" in parts:
        chosen = ["--seconds", "10"] if quick else []
        found["steady"] = asyncio.run(
            steady.measure(steady.parser().parse_args(chosen))
        )
    if "storage" in parts:
        sizes = [1_000, 10_000] if quick else [1_000, 1_000_000, 50_000_000]
        with (
            tempfile.TemporaryDirectory(prefix="robosure-bench-") as directory,
            embedded_servers(Path(directory)) as servers,
        ):
            found["storage"] = [
                asyncio.run(storage.run(servers.database_url, size, _STORAGE_RUNS))
                for size in sizes
            ]
    return found


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
    report(measure(arguments.parts, quick=arguments.quick), arguments.json)


if __name__ == "__main__":
    main()
