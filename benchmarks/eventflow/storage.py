"""What it costs to store events, and to find them, as the store grows.

    uv run benchmarks/eventflow/storage.py --events 1000 1000000 5000000

For each size a database of its own is filled with events of 10,000 robots over 30 days,
made by the server itself; then each query of the API runs many times, for robots and
moments at random, and batches of 1,000 are stored as the worker stores them. Nothing of
it is left afterwards; 50,000,000 events take about 30 GB meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy.engine import make_url

from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.eventflow.queries import (
    EventFilter,
    EventPage,
    EventQueries,
    TraceQueries,
)
from robosure.contexts.eventflow.queries.live import LiveFilter, LiveQueries, Position
from robosure.contexts.eventflow.repository import SqlStoredEvents
from robosure.contexts.eventflow.service.feed import Feed
from robosure.contexts.eventflow.service.processing import EventProcessor
from robosure.contexts.eventflow.service.storage.partitions import Partitions
from robosure.entrypoints.stack.servers import embedded_servers
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.database.migrations import upgrade
from robosure.platform.runtime import settle
from robosure.platform.security import Principal
from robosure.platform.streams.ingest import Batch, read, written

ROBOTS: Final = 10_000
DAYS: Final = 30
IN_A_BATCH: Final = 100
STORED_AT_ONCE: Final = 1_000
TARGET_MS: Final = 50
"""The 95th percentile of what is asked by robot and time."""
_OPERATORS: Final = {
    "operator of 20": (UUID(int=20), 20),
    "operator of 500": (UUID(int=500), 500),
}
_INSURER: Final = UUID(int=1)


@dataclass(frozen=True)
class Store:
    """A filled store.

    Attributes:
        first: midnight of its first day.
        events: how many it holds.
    """

    database: Database
    url: str
    first: datetime
    events: int

    @property
    def today(self) -> date:
        """Its last day."""
        return (self.first + timedelta(days=DAYS - 1)).date()


def robot(number: int) -> UUID:
    """Return a robot's id, as the server makes it."""
    return UUID(md5(f"robot-{number}".encode(), usedforsecurity=False).hexdigest())


_EVENTS: Final = """
    INSERT INTO {partition}
    SELECT md5('event-' || n)::uuid, $1::date, '/robots/' || subject,
      md5('id-' || n)::uuid::text, '{type}', subject, at,
      ('{{"battery":' || n % 100 || ',"temperature":31.5,"speed":0.' || n % 1000
        || ',"position_x":12.5,"position_y":4.25,"heading":' || n % 360
        || '}}')::json,
      received_at, md5('batch-' || n / {in_a_batch})::uuid,
      (n / {in_a_batch} % 4)::smallint
    FROM generate_series($2::bigint, $3::bigint - 1) AS n
    CROSS JOIN LATERAL (
      SELECT md5('robot-' || n % {robots})::uuid AS subject,
        $1::date::timestamp AT TIME ZONE 'UTC'
          + (n - $2) * (interval '1 day' / greatest($3 - $2, 1)) AS at,
        $1::date::timestamp AT TIME ZONE 'UTC' + interval '50 ms'
          + (n / {in_a_batch} * {in_a_batch} - $2)
          * (interval '1 day' / greatest($3 - $2, 1)) AS received_at
    ) AS e
"""
_BATCHES: Final = """
    INSERT INTO eventflow.batches (batch_id, part, day, received_at, processed_at,
      correlation_id, principal, events, stored, repeated, first_at, last_at)
    SELECT batch_id, part, (received_at AT TIME ZONE 'UTC')::date, received_at,
      received_at + interval '30 ms', 'request-' || batch_id, '{insurer}',
      count(*), count(*), 0, min(time), max(time)
    FROM {partition} GROUP BY batch_id, part, received_at
    ON CONFLICT DO NOTHING
"""
_COUNTS: Final = """
    INSERT INTO eventflow.subject_counts
    SELECT subject, count(*), 0, min(time), max(time) FROM eventflow.events
    GROUP BY subject
"""


async def fill(store: Store) -> float:
    """Fill the store, two days at once; return the seconds it took."""
    started = time.perf_counter()
    for number in range(DAYS):
        day = (store.first + timedelta(days=number)).date()
        await Partitions(store.database).prepare(today=day, kept=timedelta())
    days = iter(range(DAYS))

    async def fill_days() -> None:
        connection = await asyncpg.connect(store.url.replace("+asyncpg", ""))
        for number in days:
            await _fill_day(connection, store, number)
        await connection.close()

    await asyncio.gather(fill_days(), fill_days())
    connection = await asyncpg.connect(store.url.replace("+asyncpg", ""))
    await connection.execute(_COUNTS, timeout=None)
    for organisation, count in _OPERATORS.values():
        await connection.executemany(
            "INSERT INTO eventflow.robots VALUES ($1, $2, $3)",
            [(robot(n + count), organisation, uuid7()) for n in range(count)],
        )
    await connection.execute("VACUUM (ANALYZE)", timeout=None)
    await connection.execute("CHECKPOINT", timeout=None)
    await connection.close()
    return time.perf_counter() - started


async def _fill_day(
    connection: asyncpg.Connection[asyncpg.Record], store: Store, number: int
) -> None:
    """Fill a day beside the table, which makes its indexes as it is attached."""
    day = (store.first + timedelta(days=number)).date()
    first, last = (store.events * n // DAYS for n in (number, number + 1))
    there = f"eventflow_days.events_{day:%Y_%m_%d}"
    if await connection.fetchval("SELECT to_regclass($1)", there):
        await connection.execute(
            f"ALTER TABLE eventflow.events DETACH PARTITION {there}"
        )
        await connection.execute(f"DROP TABLE {there}")
    await connection.execute(
        f"CREATE TABLE {there} (LIKE eventflow.events, CHECK (day = '{day}'))"
    )
    filling = _EVENTS.format(
        partition=there, type=TELEMETRY_TYPE, robots=ROBOTS, in_a_batch=IN_A_BATCH
    )
    await connection.execute(filling, day, first, last, timeout=None)
    await connection.execute(
        f"ALTER TABLE eventflow.events ATTACH PARTITION {there} "
        f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')",
        timeout=None,
    )
    await connection.execute(
        _BATCHES.format(partition=there, insurer=_INSURER), timeout=None
    )


# --- what is measured -----------------------------------------------------------------


def principal(organisation: UUID = _INSURER, *, kind: str = "insurer") -> Principal:
    """Return who asks."""
    return Principal(
        subject=uuid7(),
        kind="user",
        name="a reader",
        organisation_id=organisation,
        organisation_kind=kind,
        roles=frozenset(),
        permissions=frozenset({"events:read"}),
    )


Query = Callable[[Any, Store], Awaitable[Any]]


def _listing(choose: Callable[[Store], EventFilter], *, of: str | None = None) -> Query:
    who = principal() if of is None else principal(_OPERATORS[of][0], kind="operator")

    async def run(session: Any, store: Store) -> Any:
        queries = EventQueries(session, who, today=store.today)
        page = await queries.page(EventPage(50), chosen=choose(store))
        return page.items

    return run


def _moment(store: Store) -> datetime:
    return store.first + timedelta(seconds=random.uniform(0, DAYS * 86_400 - 3_600))


def _some_event(store: Store) -> tuple[int, UUID]:
    number = random.randrange(store.events)
    return number, UUID(
        md5(f"event-{number}".encode(), usedforsecurity=False).hexdigest()
    )


def _some_robot() -> UUID:
    return robot(random.randrange(ROBOTS))


def _an_hour(store: Store) -> EventFilter:
    since = _moment(store)
    return EventFilter(
        subject=_some_robot(), since=since, until=since + timedelta(hours=1)
    )


def _five_minutes(store: Store) -> EventFilter:
    since = _moment(store)
    return EventFilter(since=since, until=since + timedelta(minutes=5))


def _a_request(store: Store) -> EventFilter:
    number = random.randrange(store.events) // IN_A_BATCH
    batch = UUID(md5(f"batch-{number}".encode(), usedforsecurity=False).hexdigest())
    return EventFilter(correlation_id=f"request-{batch}")


async def _read(session: Any, store: Store) -> Any:
    _, uid = _some_event(store)
    return await EventQueries(session, principal(), today=store.today).event(uid)


async def _trace(session: Any, store: Store) -> Any:
    _, uid = _some_event(store)
    traced = await TraceQueries(session, principal(), today=store.today).trace(uid)
    assert traced.processed is not None
    return traced


async def _evidence(session: Any, store: Store) -> Any:
    start = _moment(store)
    stored = SqlStoredEvents(session)
    return await stored.telemetry(
        _some_robot(), start=start, end=start + timedelta(minutes=20)
    )


async def _live(session: Any, store: Store) -> Any:
    horizon = await Feed(store.database, listen_url="").taken()
    back = Position(horizon.batches - 9, 0, horizon.facts + 1, horizon.at)
    queries = LiveQueries(session, principal(), chosen=LiveFilter())
    happened, _ = await queries.since(back, horizon)
    assert happened
    return happened


QUERIES: Final[dict[str, Query]] = {
    "a robot's newest": _listing(lambda _: EventFilter(subject=_some_robot())),
    "a robot's in an hour": _listing(_an_hour),
    "a robot's before a moment": _listing(
        lambda s: EventFilter(subject=_some_robot(), until=_moment(s))
    ),
    "a robot's window as evidence": _evidence,
    "the newest": _listing(lambda _: EventFilter()),
    "the newest of a type": _listing(lambda _: EventFilter(type=TELEMETRY_TYPE)),
    "of five minutes": _listing(_five_minutes),
    "of a request": _listing(_a_request),
    "of a type that has none": _listing(lambda _: EventFilter(type="robot.none")),
    "operator of 20: the newest": _listing(
        lambda _: EventFilter(), of="operator of 20"
    ),
    "operator of 500: the newest": _listing(
        lambda _: EventFilter(), of="operator of 500"
    ),
    "one by its uid": _read,
    "the way of one": _trace,
    "ten batches for a live stream": _live,
}


async def measure(store: Store, runs: int) -> dict[str, dict[str, float]]:
    """Run each query many times; return what it took, in milliseconds."""
    found: dict[str, dict[str, float]] = {}
    for name, query in QUERIES.items():
        took: list[float] = []
        for _ in range(runs + 10):
            started = time.perf_counter()
            async with store.database.read() as session:
                await query(session, store)
            took.append((time.perf_counter() - started) * 1000)
        found[name] = summary(took[10:])
        print(
            f"  {name:32} p50 {found[name]['p50_ms']:8.2f} ms   "
            f"p95 {found[name]['p95_ms']:8.2f} ms",
            flush=True,
        )
    return found


async def store_batches(store: Store, runs: int) -> dict[str, float]:
    """Store batches of 1,000 new events; return what each took, in milliseconds."""
    processor = EventProcessor([])
    await Partitions(store.database).prepare(
        today=datetime.now(UTC).date(), kept=timedelta()
    )
    took: list[float] = []
    for _ in range(runs + 5):
        now = datetime.now(UTC)
        batch = Batch(uuid7(), None, now, None)
        items = read(
            written(batch, 0, [_cloud_event(now) for _ in range(STORED_AT_ONCE)])
        )
        started = time.perf_counter()
        async with store.database.write() as session:
            await processor.apply(session, items)
        took.append((time.perf_counter() - started) * 1000)
    await asyncio.sleep(0.2)  # until those who follow have been told
    return summary(took[5:])


def _cloud_event(now: datetime) -> dict[str, Any]:
    subject = _some_robot()
    at = now - timedelta(seconds=random.random())
    return {
        "specversion": "1.0",
        "id": str(uuid7()),
        "source": f"/robots/{subject}",
        "type": TELEMETRY_TYPE,
        "subject": str(subject),
        "time": at.isoformat(),
        "data": {"battery": 80.5, "temperature": 31.5, "speed": 0.5,
                 "position_x": 12.5, "position_y": 4.25, "heading": 90.0},
    }  # fmt: skip


def summary(took: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    return {"p50_ms": round(cuts[49], 3), "p95_ms": round(cuts[94], 3)}


# --- the run --------------------------------------------------------------------------


@asynccontextmanager
async def a_store(server_url: str, events: int) -> AsyncIterator[Store]:
    """Make a migrated database, and drop it in the end."""
    name = f"store_{events}"
    server = make_url(server_url)
    admin = await asyncpg.connect(server_url.replace("+asyncpg", ""))
    await admin.execute(f"CREATE DATABASE {name}")
    url = server.set(database=name).render_as_string(hide_password=False)
    await asyncio.to_thread(upgrade, url)
    database = Database(url, slow_query_ms=3_600_000)
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        # Yesterday is its last day, so that what is stored now has a day to itself.
        yield Store(database, url, midnight - timedelta(days=DAYS), events)
    finally:
        await database.close()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)", timeout=None)
        await admin.close()


async def run(server_url: str, events: int, runs: int) -> dict[str, Any]:
    """Fill a store of that size and measure it."""
    async with a_store(server_url, events) as store:
        seconds = await fill(store)
        connection = await asyncpg.connect(store.url.replace("+asyncpg", ""))
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        counted = await connection.fetchval("SELECT count(*) FROM eventflow.events")
        await connection.close()
        assert counted == events
        print(f"{events:,} events: {size / 1e9:.2f} GB, filled in {seconds:.0f} s")
        settle()  # as the processes do that ask and store
        queries = await measure(store, runs)
        storing = await store_batches(store, max(20, runs // 4))
        print(
            f"  storing {STORED_AT_ONCE:,} events         "
            f"p50 {storing['p50_ms']:8.2f} ms   p95 {storing['p95_ms']:8.2f} ms"
        )
    return {
        "events": events,
        "robots": ROBOTS,
        "days": DAYS,
        "bytes": size,
        "fill_seconds": round(seconds, 1),
        "queries": queries,
        "store_1000": storing,
    }


def main() -> None:
    """Read the command line, start servers, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--events", type=int, nargs="+", default=[1_000, 100_000, 1_000_000],
        metavar="N", help="sizes of the store, each by itself",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=200, help="of each query")
    parser.add_argument("--seed", type=int, default=1, help="of robots and moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="results go here too")
    parser.add_argument(
        "--directory", type=Path, help="where the database is meanwhile; temporary"
    )
    arguments = parser.parse_args()
    if min(arguments.events) < 1:
        parser.error("--events: at least 1")
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        path = Path(directory)
        path.chmod(0o755)
        with embedded_servers(path) as urls:
            results = [
                asyncio.run(run(urls.database_url, size, arguments.runs))
                for size in arguments.events
            ]
    if arguments.json:
        arguments.json.write_text(json.dumps({"storage": results}, indent=2) + "\n")
    slowest = max(
        found["p95_ms"] for name, found in results[-1]["queries"].items()
        if name.startswith("a robot's")
    )  # fmt: skip
    print(
        f"by robot and time: p95 at most {slowest:.1f} ms at {results[-1]['events']:,}"
    )
    if slowest >= TARGET_MS:
        sys.exit(1)


if __name__ == "__main__":
    main()
