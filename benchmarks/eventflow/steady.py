"""Everything together under a steady load: API, worker, jobs, Redis and PostgreSQL.

    uv run benchmarks/eventflow/steady.py --rate 5000 --seconds 300

Events are offered at a fixed rate, whatever the answers do, by `robosure loadtest`. How
long an accepted event takes to its effect is what the worker tells and what a client
sees; that the backlog does not grow is seen by measuring it all the while.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.eventflow.stage import ADMIN, PASSWORD, report, staged
from robosure.platform.streams.bus import INGEST
from robosure.platform.streams.redis_bus import RedisBus

_GROUP: Final = "eventflow.ingest"
_LOOK_SECONDS: Final = 2.0


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Offer the load; return what came of it."""
    with (
        staged(partitions=arguments.partitions) as stage,
        stage.api() as server,
        stage.process("work"),
        stage.process("jobs"),
        stage.process("jobs", "--beat"),
    ):
        file = stage.directory / "loadtest.json"
        before = stage.cpu_seconds()
        test = subprocess.Popen(  # noqa: ASYNC220 - only looked at
            [
                sys.executable, "-m", "robosure.entrypoints.cli", "loadtest",
                "--rate", str(arguments.rate), "--duration", str(arguments.seconds),
                "--batch", str(arguments.batch), "--robots", str(arguments.robots),
                "--joints", str(arguments.joints), "--connections", "16",
                "--url", server.url, "--email", ADMIN, "--password", PASSWORD,
                "--json", str(file),
            ],
            env=stage.environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        backlog: list[tuple[float, int]] = []
        async with Redis.from_url(stage.redis_url) as client:
            bus = RedisBus(client)
            while test.poll() is None:
                waiting = await bus.backlog(
                    INGEST, _GROUP, partitions=arguments.partitions
                )
                backlog.append((time.perf_counter(), waiting.entries))
                await asyncio.sleep(_LOOK_SECONDS)
            await bus.close()
        used = stage.cpu_seconds()
        found: dict[str, Any] = json.loads(file.read_text())
    third = max(1, len(backlog) // 3)
    entries = [count for _, count in backlog]
    return {
        "offered_events_per_s": arguments.rate,
        "seconds": arguments.seconds,
        "http": found["http"],
        "events": found["events"],
        "effects": found["effects"],
        "notes": found["notes"],
        "backlog_entries": {
            "median_of_first_third": statistics.median(entries[:third]),
            "median_of_last_third": statistics.median(entries[-third:]),
            "most": max(entries),
        },
        "cores_used": {
            name: round((used[name] - before.get(name, 0.0)) / arguments.seconds, 3)
            for name in used
        },
    }


def parser() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    reader = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    reader.add_argument("--rate", type=int, default=5_000, help="events per second")
    reader.add_argument("--seconds", type=int, default=300)
    reader.add_argument("--batch", type=int, default=100)
    reader.add_argument("--robots", type=int, default=500)
    reader.add_argument("--joints", type=int, choices=[0, 6], default=0)
    reader.add_argument("--partitions", type=int, default=4)
    reader.add_argument("--json", type=Path, help="where to write the figures")
    return reader


if __name__ == "__main__":
    chosen = parser().parse_args()
    report(asyncio.run(measure(chosen)), chosen.json)
