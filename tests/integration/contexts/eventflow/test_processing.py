"""The worker and the processor on a real stream: once each, whatever happens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from robosure.contexts.eventflow.tables import events, failed_events, subject_counts
from robosure.kernel.errors import Unavailable
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database, WriteSession
from robosure.platform.streams.ingest import IngestWorker, append, identify
from robosure.platform.streams.ingest.worker import GROUP, UNREADABLE
from robosure.platform.streams.keys import INGEST
from tests.integration.contexts.eventflow.conftest import (
    AT,
    ROBOT,
    Recorder,
    a_batch,
    rows,
    stream_event,
    until,
)

AWorker = Callable[..., IngestWorker]


async def counted(database: Database) -> dict[Any, tuple[int, int, int]]:
    return {
        row.subject: (row.stored, row.repeated, row.failed)
        for row in await rows(database, subject_counts)
    }


def stored(database: Database, count: int) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        return len(await rows(database, events)) == count

    return there


async def test_events_are_stored_once_and_only_new_ones_are_handed_on(
    database: Database, redis: Redis, a_worker: AWorker, recorder: Recorder
) -> None:
    # given batches that repeat each other, and one that repeats itself
    other = uuid7()
    first = [stream_event(n) for n in range(10)]
    await append(redis, a_batch(first))
    await append(redis, a_batch([*first[5:], stream_event(10), stream_event(10)]))
    await append(redis, a_batch([stream_event(0, subject=other)]))

    # when they are processed
    assert await a_worker().drain() == 3

    # then each event is there once, and was handed on once, in order
    stored = await rows(database, events)
    assert {(e.source, e.id) for e in stored} == {
        *((f"/robots/{ROBOT}", f"event-{n:05}") for n in range(11)),
        (f"/robots/{other}", "event-00000"),
    }
    assert recorder.seen == [*(f"event-{n:05}" for n in range(11)), "event-00000"]
    assert await counted(database) == {ROBOT: (11, 6, 0), other: (1, 0, 0)}
    (of_robot,) = [r for r in await rows(database, subject_counts) if r.stored == 11]
    assert (of_robot.first_at, of_robot.last_at) == (AT, stream_event(10).time)


async def test_a_batch_delivered_again_has_no_second_effect(
    database: Database, redis: Redis, a_worker: AWorker, recorder: Recorder
) -> None:
    # given a batch that is on the stream twice, as a client's retry makes it
    batch = a_batch([stream_event(0)])
    await append(redis, batch)
    await append(redis, batch)
    await a_worker().drain()
    await append(redis, batch)

    await a_worker().drain()

    assert recorder.seen == ["event-00000"]
    assert await counted(database) == {ROBOT: (1, 0, 0)}


async def test_any_order_batching_and_repetition_stores_the_same(
    database: Database, redis: Redis, a_worker: AWorker
) -> None:
    shuffled = random.Random(7)
    everything = [stream_event(n) for n in range(200)]
    for _ in range(3):
        shuffled.shuffle(everything)
        for start in range(0, 200, 30):
            await append(redis, a_batch(everything[start : start + 30]))

    await a_worker().drain()

    assert len(await rows(database, events)) == 200
    assert await counted(database) == {ROBOT: (200, 400, 0)}


async def test_a_poison_event_stands_alone_and_the_rest_commits(
    database: Database, redis: Redis, a_worker: AWorker, recorder: Recorder
) -> None:
    # given two poison events in one of three batches
    recorder.fails_on = {"event-00107", "event-00131"}
    for start in (0, 100, 200):
        await append(redis, a_batch([stream_event(start + n) for n in range(50)]))

    # when all is processed together
    await a_worker().drain()

    # then the others are stored and handed on once
    stored = {e.id for e in await rows(database, events)}
    assert len(stored) == 148
    assert not stored & recorder.fails_on
    assert len(recorder.seen) == len(set(recorder.seen)) == 148
    assert await counted(database) == {ROBOT: (148, 0, 2)}

    # and these two are kept with the reason
    failed = await rows(database, failed_events)
    assert {e.id: e.error for e in failed} == {
        "event-00107": "ValueError: poisoned by event-00107",
        "event-00131": "ValueError: poisoned by event-00131",
    }
    assert len({e.traceback_digest for e in failed}) == 1
    assert {e.attempts for e in failed} == {1}
    assert (await redis.xpending(INGEST, GROUP))["pending"] == 0


async def test_a_poison_event_may_come_again_and_pass(
    database: Database, redis: Redis, a_worker: AWorker, recorder: Recorder
) -> None:
    recorder.fails_on = {"event-00001"}
    batch = [stream_event(0), stream_event(1)]
    for _ in range(2):
        await append(redis, a_batch(batch))
        await a_worker().drain()
    (failed,) = await rows(database, failed_events)
    assert failed.attempts == 2
    assert await counted(database) == {ROBOT: (1, 1, 1)}

    recorder.fails_on = set()
    await append(redis, a_batch(batch))
    await a_worker().drain()

    assert recorder.seen == ["event-00000", "event-00001"]
    assert await counted(database) == {ROBOT: (2, 2, 1)}


async def test_an_event_that_fails_in_passing_is_tried_again(
    database: Database, redis: Redis, a_worker: AWorker, recorder: Recorder
) -> None:
    # given a handler that fails twice on an event, and then no more
    async def mend(_session: WriteSession) -> None:
        if recorder.calls == 3:
            recorder.fails_on = set()

    recorder.first = mend
    recorder.fails_on = {"event-00000"}
    await append(redis, a_batch([stream_event(0)]))

    await a_worker(attempts=3).drain()

    assert recorder.seen == ["event-00000"]
    assert await rows(database, failed_events) == []


async def test_an_event_whose_subject_is_no_robot_is_put_aside(
    database: Database, redis: Redis, a_worker: AWorker
) -> None:
    await append(redis, a_batch([replace(stream_event(0), subject="nobody")]))
    await append(redis, a_batch([stream_event(1)]))

    await a_worker().drain()

    assert [e.subject for e in await rows(database, failed_events)] == ["nobody"]
    assert await counted(database) == {ROBOT: (1, 0, 0)}


@pytest.mark.parametrize(
    "trouble",
    [
        ConnectionRefusedError("no database"),
        RedisConnectionError("no redis"),
        Unavailable("somebody_is_away"),
    ],
)
async def test_a_server_that_is_away_is_nobodys_fault(
    database: Database,
    redis: Redis,
    a_worker: AWorker,
    recorder: Recorder,
    trouble: Exception,
) -> None:
    # given a server that is away for the first two attempts
    async def meet_trouble(_session: WriteSession) -> None:
        if recorder.calls <= 2:
            raise trouble

    recorder.first = meet_trouble
    await append(redis, a_batch([stream_event(n) for n in range(5)]))

    # when the worker runs
    stop = asyncio.Event()
    running = asyncio.create_task(a_worker().run(stop))

    async def seen() -> bool:
        return bool(recorder.seen)

    await until(seen)
    stop.set()
    await running

    # then it waited, and no event was blamed
    assert recorder.calls == 3
    assert await rows(database, failed_events) == []
    assert await counted(database) == {ROBOT: (5, 0, 0)}


async def test_a_worker_that_died_is_succeeded_by_another_or_itself(
    database: Database, redis: Redis, a_worker: AWorker
) -> None:
    # given an entry that was delivered to a worker which then died
    await append(redis, a_batch([stream_event(0)]))
    await redis.xgroup_create(INGEST, GROUP, id="0")
    await redis.xreadgroup(GROUP, "worker-1", {INGEST: ">"})

    # when a worker of the same name starts
    assert await a_worker("worker-1").drain() == 1

    # then it finds what it had not finished
    assert await counted(database) == {ROBOT: (1, 0, 0)}


async def test_what_a_lost_worker_left_is_taken_over(
    database: Database,
    redis: Redis,
    a_worker: AWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("robosure.platform.streams.ingest.worker._STALE_MS", 0)
    await append(redis, a_batch([stream_event(0)]))
    await redis.xgroup_create(INGEST, GROUP, id="0")
    await redis.xreadgroup(GROUP, "lost", {INGEST: ">"})

    stop = asyncio.Event()
    running = asyncio.create_task(a_worker().run(stop))
    await until(stored(database, 1))
    stop.set()
    await running

    assert (await redis.xpending(INGEST, GROUP))["pending"] == 0


async def test_a_wiped_redis_is_no_end(
    database: Database, redis: Redis, a_worker: AWorker
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(a_worker().run(stop))
    await append(redis, a_batch([stream_event(0)]))
    await until(stored(database, 1))
    await redis.delete(INGEST)
    await append(redis, a_batch([stream_event(1)]))
    await until(stored(database, 2))
    stop.set()
    await running


async def test_what_is_processed_leaves_the_stream(
    redis: Redis, a_worker: AWorker
) -> None:
    for n in range(5):
        await append(redis, a_batch([stream_event(n)]))

    await a_worker().drain()

    assert await redis.xlen(INGEST) <= 1


async def test_an_entry_that_nobody_can_read_is_put_aside(
    database: Database, redis: Redis, a_worker: AWorker
) -> None:
    await redis.xadd(INGEST, {"batch": b"{"})
    await redis.xadd(INGEST, {"other": b"1"})
    await append(redis, a_batch([stream_event(0)]))

    await a_worker().drain()

    assert len(await rows(database, events)) == 1
    aside: Any = await redis.xrange(UNREADABLE)
    assert [fields.get(b"batch") for _, fields in aside] == [b"{", None]
    assert (await redis.xpending(INGEST, GROUP))["pending"] == 0


async def test_large_entries_are_processed_in_several_transactions(
    database: Database,
    redis: Redis,
    a_worker: AWorker,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("robosure.platform.streams.ingest.worker._BYTES", 1_000)
    for n in range(10):
        await append(redis, a_batch([stream_event(n, cycle=n)]))

    await a_worker().drain()

    assert len(await rows(database, events)) == 10
    assert 1 < recorder.calls <= 10


async def test_workers_that_race_for_the_same_events_store_them_once(
    database: Database, redis: Redis, a_worker: AWorker, recorder: Recorder
) -> None:
    # given the same events in other orders, as batches of their own
    shuffled = random.Random(3)
    everything = [stream_event(n) for n in range(300)]
    for _ in range(8):
        shuffled.shuffle(everything)
        await append(redis, a_batch(everything))

    # when four workers take them at once, an entry at a time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("robosure.platform.streams.ingest.worker._ENTRIES", 1)
        workers = [a_worker(f"worker-{n}") for n in range(4)]
        await asyncio.gather(*(worker.drain() for worker in workers))

    # then every event took effect once
    assert len(recorder.seen) == len(set(recorder.seen)) == 300
    assert await counted(database) == {ROBOT: (300, 2100, 0)}
    assert await rows(database, failed_events) == []


async def test_nothing_is_accepted_while_redis_is_away(redis: Redis) -> None:
    away = Redis.from_url("redis://127.0.0.1:1/0")

    with pytest.raises(Unavailable, match="ingest unavailable"):
        await append(away, a_batch([stream_event(0)]))
    await away.aclose()


def test_a_batch_is_known_by_sender_key_and_content() -> None:
    sender, key = uuid4(), "key-1"

    assert identify(sender, key, b"a", b"b") == identify(sender, key, b"a", b"b")
    others = {
        identify(sender, key, b"a", b"b"),
        identify(sender, key, b"ab", b""),
        identify(sender, "key-2", b"a", b"b"),
        identify(uuid4(), key, b"a", b"b"),
        identify(sender, None, b"a", b"b"),
        identify(sender, None, b"a", b"b"),
    }
    assert len(others) == 6


async def test_a_database_that_ends_the_session_is_nobodys_fault(
    database: Database, redis: Redis, a_worker: AWorker, recorder: Recorder
) -> None:
    # given a connection that the server cuts in the middle of a transaction
    async def cut(session: WriteSession) -> None:
        if recorder.calls == 1:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    recorder.first = cut
    await append(redis, a_batch([stream_event(0)]))

    worker = a_worker()
    with pytest.raises(DBAPIError):
        await worker.drain()
    assert await rows(database, failed_events) == []
    await worker.drain()

    assert await counted(database) == {ROBOT: (1, 0, 0)}
