"""How fast one worker, or several, let waiting telemetry take its whole effect.

    uv run benchmarks/eventflow/drain.py --events 400000 --workers 1 2 4

Events that the API would have accepted wait on the stream; then workers start. Stored
is what is in the event store, deduplicated and counted, with risk's samples in the same
transactions; scored is when, after that, no robot's score is older than its telemetry.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.eventflow.stage import Sample, Stage, report, staged
from robosure.entrypoints.load.fleet import Source, gathered
from robosure.kernel.ids import uuid7
from robosure.platform.streams.bus import INGEST
from robosure.platform.streams.ingest import Batch, append
from robosure.platform.streams.redis_bus import RedisBus

AT_ONCE: Final = 100
# Rows of robots, not of batches: to ask so often must not cost what is measured.
_STORED: Final = "SELECT coalesce(sum(stored), 0)::bigint FROM eventflow.subject_counts"
_UNSCORED: Final = """
    SELECT EXISTS (SELECT 1 FROM risk.chunks WHERE NOT summed)
      OR EXISTS (SELECT 1 FROM risk.robots WHERE stale_since IS NOT NULL)
"""


async def register(stage: Stage, robots: int) -> list[UUID]:
    """Make a fleet that every context knows, through the API."""
    with stage.api() as server, stage.process("work"):
        async with gathered(Source(server), robots) as fleet:
            connection = await asyncpg.connect(stage.dsn)
            query = "SELECT count(*) FROM risk.robots WHERE model_id IS NOT NULL"
            while await connection.fetchval(query) < robots:  # noqa: ASYNC110 - elsewhere
                await asyncio.sleep(0.1)
            await connection.close()
            return list(fleet.robots)


async def enqueue(stage: Stage, sample: Sample, events: int, *, first: int = 0) -> None:
    """Put events on the stream as the API does with batches that it accepts."""
    partitions = int(stage.settings["ROBOSURE_EVENT_PARTITIONS"])
    async with Redis.from_url(stage.redis_url) as client:
        bus = RedisBus(client)
        await bus.declare(INGEST, "eventflow.ingest", partitions=partitions)
        for body in sample.batches(events, AT_ONCE, first=first):
            batch = Batch(uuid7(), str(uuid7()), datetime.now(UTC), None)
            await append(bus, batch, orjson.loads(body), partitions=partitions)
        await bus.close()


async def drain(
    stage: Stage, sample: Sample, events: int, *, workers: int, first: int
) -> dict[str, Any]:
    """Let workers drain so many events; return the rates."""
    await enqueue(stage, sample, events, first=first)
    connection = await asyncpg.connect(stage.dsn)
    try:
        before = await connection.fetchval(_STORED)
        with stage.process("jobs"), stage.process("jobs", "--beat"):
            # What scores is there when the worker begins, as in an installation.
            await stage.settled()
            with stage.process("work", count=workers):
                begun, stored = await _until(connection, before + 1)
                cpu = stage.cpu_seconds()
                ended, _ = await _until(connection, before + events)
                used = stage.cpu_seconds()
                while await connection.fetchval(_UNSCORED):  # noqa: ASYNC110 - elsewhere
                    await asyncio.sleep(0.1)
                scored = time.perf_counter()
                used_in_all = stage.cpu_seconds()
        left = before + events - stored
        return {
            "workers": workers,
            "events": events,
            "joints": sample.joints,
            "stored_events_per_s": round(left / (ended - begun)),
            "scored_events_per_s": round(left / (scored - begun)),
            "cpu_us_per_event": {
                name: round(1e6 * (used[name] - cpu[name]) / left, 2) for name in used
            },
            "cpu_us_per_event_until_scored": {
                name: round(1e6 * (used_in_all[name] - cpu[name]) / left, 2)
                for name in used_in_all
            },
        }
    finally:
        await connection.close()


async def _until(connection: Any, stored: int) -> tuple[float, int]:
    """Wait until so many events are stored; return when, and how many there are."""
    while (now := await connection.fetchval(_STORED)) < stored:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return time.perf_counter(), now


async def copy_alone(stage: Stage, sample: Sample, events: int) -> dict[str, Any]:
    """Measure the limit: rows of the same events, copied into a plain table."""
    rows = [
        (
            uuid7(), event["source"], event["id"], event["type"],
            UUID(event["subject"]), datetime.fromisoformat(event["time"]),
            orjson.dumps(event["data"]).decode(),
        )
        for event in map(sample.event, range(events))
    ]  # fmt: skip
    connection = await asyncpg.connect(stage.dsn)
    await connection.execute(
        "CREATE TABLE public.copied (key uuid, source text, id text, type text,"
        " subject uuid, time timestamptz, data text)"
    )
    started = time.perf_counter()
    for first in range(0, events, 4_000):
        await connection.copy_records_to_table(
            "copied", records=rows[first : first + 4_000]
        )
    elapsed = time.perf_counter() - started
    await connection.execute("DROP TABLE public.copied")
    await connection.close()
    return {"events_per_s": round(events / elapsed)}


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure each number of workers, in turn, on one fleet."""
    with staged(partitions=arguments.partitions) as stage:
        sample = Sample(
            await register(stage, arguments.robots), joints=arguments.joints
        )
        limit = await copy_alone(stage, sample, min(arguments.events, 100_000))
        first, found = 0, list[dict[str, Any]]()
        for _ in range(arguments.runs):
            for workers in arguments.workers:
                found.append(
                    await drain(
                        stage, sample, arguments.events, workers=workers, first=first
                    )
                )
                first += arguments.events
        return {"limit_copy_into_a_plain_table": limit, "drained": found}


def parser() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    reader = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    reader.add_argument("--events", type=int, default=400_000)
    reader.add_argument("--robots", type=int, default=500)
    reader.add_argument("--joints", type=int, choices=[0, 6], default=0)
    reader.add_argument("--partitions", type=int, default=4)
    reader.add_argument("--workers", type=int, nargs="+", default=[1])
    reader.add_argument("--runs", type=int, default=1)
    reader.add_argument("--json", type=Path, help="where to write the figures")
    return reader


if __name__ == "__main__":
    chosen = parser().parse_args()
    report(asyncio.run(measure(chosen)), chosen.json)
