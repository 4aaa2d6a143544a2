"""Processing on a real stream: each event once, whatever happens to it or around it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError

from robosure.contexts.eventflow.tables import batches, events, subject_counts
from robosure.kernel.errors import Unavailable
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database, WriteSession
from robosure.platform.streams import EventBus, Reader, engine
from robosure.platform.streams.appending import key_of as redis_key_of
from robosure.platform.streams.bus import INGEST, INGEST_GROUP, Record
from robosure.platform.streams.ingest import identify, key_of
from robosure.platform.streams.letters import dead_letters
from robosure.platform.streams.redis_bus import RedisBus, RedisLane
from tests.integration.contexts.eventflow.conftest import (
    AT,
    PARTITIONS,
    ROBOT,
    Recorder,
    Sending,
    an_event,
    rows,
    until,
)

AReader = Callable[..., Reader]


async def counted(database: Database) -> dict[UUID, tuple[int, int]]:
    return {
        row.subject: (row.stored, row.repeated)
        for row in await rows(database, subject_counts)
    }


async def aside(database: Database) -> dict[str, str]:
    return {row.event_id: row.error for row in await rows(database, dead_letters)}


def stored(database: Database, count: int) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        return len(await rows(database, events)) == count

    return there


async def test_events_are_stored_once_and_only_new_ones_are_handed_on(
    database: Database, send: Sending, a_reader: AReader, recorder: Recorder
) -> None:
    # given batches that repeat each other, and one that repeats itself
    other = uuid7()
    first = [an_event(n) for n in range(10)]
    await send(*first)
    await send(*first[5:], an_event(10), an_event(10))
    await send(an_event(0, subject=other))
    # when they are processed
    assert await a_reader().drain() == 3
    # then each event is there once, and was handed on once, in order
    there = await rows(database, events)
    assert {(e.source, e.id) for e in there} == {
        *((f"/robots/{ROBOT}", f"event-{n:05}") for n in range(11)),
        (f"/robots/{other}", "event-00000"),
    }
    ids = [f"event-{n:05}" for n in range(11)]
    assert [id_ for subject, id_ in recorder.seen if subject == str(ROBOT)] == ids
    assert len(recorder.seen) == 12
    assert await counted(database) == {ROBOT: (11, 6), other: (1, 0)}
    (of_robot,) = [r for r in await rows(database, subject_counts) if r.stored == 11]
    assert of_robot.first_at == AT
    assert of_robot.last_at.isoformat() == "2026-03-02T08:00:10+00:00"


async def test_after_a_repeat_others_are_looked_for_before_storing(
    database: Database, send: Sending, a_reader: AReader
) -> None:
    undone: list[object] = []
    reader = a_reader()
    event.listen(
        database.engine.sync_engine,
        "rollback_savepoint",
        lambda *undoing: undone.append(undoing),
    )
    for first in (0, 3, 4):  # all new, then two that begin with repeats
        await send(*(an_event(n) for n in range(first, first + 5)))
        assert await reader.drain() == 1
    assert len(undone) == 1
    assert await counted(database) == {ROBOT: (9, 6)}
    assert len(await rows(database, events)) == 9


async def test_an_event_is_stored_with_all_that_is_known_of_it(
    database: Database, send: Sending, a_reader: AReader
) -> None:
    batch_id = uuid7()
    await send(an_event(3), an_event(4), batch_id=batch_id)
    await a_reader().drain()
    first, _ = sorted(await rows(database, events), key=lambda row: row.id)
    source = f"/robots/{ROBOT}"
    assert first.key == key_of(str(ROBOT), source, "event-00003")
    assert (first.type, first.subject) == ("robot.telemetry.v1", ROBOT)
    assert first.time.isoformat() == "2026-03-02T08:00:03+00:00"
    assert str(first.day) == "2026-03-02"
    assert first.data == {"cycle": 3}
    assert (first.received_at, first.batch_id) == (AT, batch_id)
    (batch,) = await rows(database, batches)
    assert (batch.batch_id, batch.part) == (batch_id, first.part)
    assert (batch.events, batch.stored, batch.repeated) == (2, 2, 0)
    assert (batch.correlation_id, batch.principal) == ("request-1", ROBOT)


async def test_a_batch_delivered_again_has_no_second_effect(
    database: Database, send: Sending, a_reader: AReader, recorder: Recorder
) -> None:
    # given a batch that is on the stream twice, as a client's retry makes it
    batch_id = uuid7()
    for _ in range(2):
        await send(an_event(0), batch_id=batch_id)
    await a_reader().drain()
    # when it comes once more
    await send(an_event(0), batch_id=batch_id)
    await a_reader().drain()
    # then it was stored, handed on and counted once
    assert len(recorder.seen) == 1
    assert await counted(database) == {ROBOT: (1, 0)}


async def test_any_order_batching_and_repetition_stores_the_same(
    database: Database, send: Sending, a_reader: AReader
) -> None:
    shuffled = random.Random(7)
    everything = [an_event(n) for n in range(200)]
    for _ in range(3):
        shuffled.shuffle(everything)
        for start in range(0, 200, 30):
            await send(*everything[start : start + 30])
    await a_reader().drain()
    assert len(await rows(database, events)) == 200
    assert await counted(database) == {ROBOT: (200, 400)}


async def test_a_poison_event_stands_alone_and_the_rest_commits(
    database: Database, send: Sending, a_reader: AReader, recorder: Recorder
) -> None:
    # given two poison events in one of three batches
    recorder.fails_on = {"event-00107", "event-00131"}
    for start in (0, 100, 200):
        await send(*(an_event(start + n) for n in range(50)))
    # when all is processed together
    await a_reader().drain()
    # then the others are stored and handed on once
    there = {e.id for e in await rows(database, events)}
    assert len(there) == 148
    assert not there & recorder.fails_on
    assert len(recorder.seen) == len(set(recorder.seen)) == 148
    assert await counted(database) == {ROBOT: (148, 0)}
    # and these two are kept with the reason
    source = f"/robots/{ROBOT}"
    assert await aside(database) == {
        str(key_of(str(ROBOT), source, poison)): f"ValueError: poisoned by {poison}"
        for poison in recorder.fails_on
    }
    letters = await rows(database, dead_letters)
    assert len({letter.traceback_digest for letter in letters}) == 1
    assert {(letter.status, letter.subject) for letter in letters} == {
        ("waiting", str(ROBOT))
    }


@pytest.mark.parametrize("field", ["id", "source"])
async def test_a_line_break_that_came_past_the_api_moves_no_event_into_another(
    database: Database,
    send: Sending,
    a_reader: AReader,
    recorder: Recorder,
    field: str,
) -> None:
    # given a batch, as the API would refuse it: a line break amid what it takes
    sound = [an_event(n) for n in range(6)]
    await send(*sound[:3], {**an_event(9), field: "in\ntwo"}, *sound[3:])
    # when it is processed
    await a_reader().drain()
    # then that event is put aside alone
    (error,) = (await aside(database)).values()
    assert "null value in column" in error
    # and each other is stored whole and handed on, and none is mixed with its neighbour
    there = await rows(database, events)
    assert sorted((e.id, e.source, e.time, e.data) for e in there) == sorted(
        (e["id"], e["source"], datetime.fromisoformat(e["time"]), e["data"])
        for e in sound
    )
    assert [id_ for _, id_ in recorder.seen] == [e["id"] for e in sound]
    assert await counted(database) == {ROBOT: (6, 0)}


async def test_a_flood_of_poison_loses_no_good_event(
    database: Database, send: Sending, a_reader: AReader, recorder: Recorder
) -> None:
    # given one batch with more poison in it than is looked for at a time
    recorder.fails_on = {f"event-{n:05}" for n in range(0, 300, 6)}
    everything = [an_event(n) for n in range(300)]
    await send(*everything)
    # when it is committed piece by piece
    await a_reader().drain()
    # then every good event is stored and handed on, and each other is put aside
    there = {row.id for row in await rows(database, events)}
    assert there == {event["id"] for event in everything} - recorder.fails_on
    assert len(recorder.seen) == 250
    assert len(await aside(database)) == 50
    assert await counted(database) == {ROBOT: (250, 0)}
    # and each piece is a batch, so that whoever follows batches sees all of them
    found = await rows(database, batches)
    assert sum(row.stored for row in found) == 250
    assert {row.correlation_id for row in found} == {"request-1"}


async def test_a_piece_that_is_delivered_again_is_known_by_its_events(
    database: Database,
    bus: EventBus,
    send: Sending,
    a_reader: AReader,
    recorder: Recorder,
) -> None:
    # given a batch that was committed in pieces by a worker that then died
    recorder.fails_on = {"event-00001"}
    await send(*(an_event(n) for n in range(4)))
    reader = a_reader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RedisLane, "acknowledge", _dies)
        with pytest.raises(KeyboardInterrupt):
            await reader.drain()
    assert len(await rows(database, events)) == 3
    # when it is delivered again
    await reader.drain()
    # then nothing of it has a second effect
    assert len(recorder.seen) == 3
    assert len(await rows(database, events)) == 3
    assert list((await aside(database)).values()) == [
        "ValueError: poisoned by event-00001"
    ]


async def _dies(*_: object) -> None:
    raise KeyboardInterrupt


async def test_a_poison_event_may_come_again_and_pass(
    database: Database, send: Sending, a_reader: AReader, recorder: Recorder
) -> None:
    # given an event that fails whenever it is sent
    recorder.fails_on = {"event-00001"}
    for _ in range(2):
        await send(an_event(0), an_event(1))
        await a_reader().drain()
    (letter,) = await rows(database, dead_letters)
    assert letter.attempts == 2
    assert await counted(database) == {ROBOT: (1, 1)}
    # when what it failed on is mended, and it comes once more
    recorder.fails_on = set()
    await send(an_event(0), an_event(1))
    await a_reader().drain()
    # then it has its effect
    assert [id_ for _, id_ in recorder.seen] == ["event-00000", "event-00001"]
    assert await counted(database) == {ROBOT: (2, 2)}


async def test_an_event_that_fails_in_passing_is_tried_again(
    database: Database, send: Sending, a_reader: AReader, recorder: Recorder
) -> None:
    # given a handler that fails twice on an event, and then no more
    async def mend(_session: WriteSession) -> None:
        if recorder.calls == 3:
            recorder.fails_on = set()

    recorder.first = mend
    recorder.fails_on = {"event-00000"}
    await send(an_event(0))
    await a_reader(attempts=3).drain()
    assert recorder.seen == [(str(ROBOT), "event-00000")]
    assert await aside(database) == {}


async def test_an_event_whose_subject_is_no_robot_is_put_aside(
    database: Database, send: Sending, a_reader: AReader
) -> None:
    await send({**an_event(0), "subject": "nobody"})
    await send(an_event(1))
    await a_reader().drain()
    assert [row.subject for row in await rows(database, dead_letters)] == ["nobody"]
    assert await counted(database) == {ROBOT: (1, 0)}


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
    send: Sending,
    a_reader: AReader,
    recorder: Recorder,
    trouble: Exception,
) -> None:
    # given a server that is away for the first two attempts
    async def meet_trouble(_session: WriteSession) -> None:
        if recorder.calls <= 2:
            raise trouble

    async def seen() -> bool:
        return bool(recorder.seen)

    recorder.first = meet_trouble
    await send(*(an_event(n) for n in range(5)))
    # when the reader runs
    stop = asyncio.Event()
    running = asyncio.create_task(a_reader().run(stop))
    await until(seen)
    stop.set()
    await running
    # then it waited, and no event was blamed
    assert recorder.calls == 3
    assert await aside(database) == {}
    assert await counted(database) == {ROBOT: (5, 0)}


async def test_a_wiped_redis_is_no_end(
    database: Database, redis: Redis, send: Sending, a_reader: AReader
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(a_reader().run(stop))
    await send(an_event(0))
    await until(stored(database, 1))
    await redis.flushdb()
    await send(an_event(1))
    await until(stored(database, 2))
    stop.set()
    await running


async def test_what_is_processed_leaves_the_stream(
    redis: Redis, bus: EventBus, send: Sending, a_reader: AReader
) -> None:
    for n in range(5):
        await send(an_event(n))
    await a_reader().drain()
    await bus.tidy(INGEST, partitions=PARTITIONS)
    left = [await redis.xlen(redis_key_of(INGEST, n)) for n in range(PARTITIONS)]
    assert left == [0] * PARTITIONS


async def test_an_entry_that_nobody_can_read_is_put_aside(
    database: Database, bus: EventBus, send: Sending, a_reader: AReader
) -> None:
    await bus.append(Record(INGEST, b"{"), Record(INGEST, b'{"events": [{}]}'))
    await send(an_event(0))
    await a_reader().drain()
    assert len(await rows(database, events)) == 1
    letters = await rows(database, dead_letters)
    assert {(letter.type, letter.content) for letter in letters} == {
        ("unreadable", "{"),
        ("unreadable", '{"events": [{}]}'),
    }
    waiting = await bus.backlog(INGEST, INGEST_GROUP, partitions=PARTITIONS)
    assert waiting.entries == 0


async def test_large_entries_are_processed_in_several_transactions(
    database: Database,
    send: Sending,
    a_reader: AReader,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "_BYTES", 1_000)
    for n in range(10):
        await send(an_event(n))
    await a_reader().drain()
    assert len(await rows(database, events)) == 10
    assert 1 < recorder.calls <= 10


async def test_readers_that_race_for_the_same_events_store_them_once(
    database: Database, send: Sending, a_reader: AReader, recorder: Recorder
) -> None:
    # given the same events in other orders, as batches of their own
    shuffled = random.Random(3)
    everything = [an_event(n) for n in range(300)]
    for _ in range(8):
        shuffled.shuffle(everything)
        await send(*everything)

    # when four take them at once, as none should that have a lease
    async def drain(reader: Reader) -> None:
        while True:
            with suppress(ConnectionError):  # another was first; to be read again
                await reader.drain()
                return

    await asyncio.gather(*(drain(a_reader()) for _ in range(4)))
    # then every event took effect once
    assert len(recorder.seen) == len(set(recorder.seen)) == 300
    assert await counted(database) == {ROBOT: (300, 2100)}
    assert await aside(database) == {}


async def test_a_letter_is_replayed_with_the_events_own_id(
    database: Database,
    send: Sending,
    a_reader: AReader,
    recorder: Recorder,
) -> None:
    # given an event that was put aside
    recorder.fails_on = {"event-00001"}
    await send(an_event(0), an_event(1))
    reader = a_reader()
    await reader.drain()
    (letter,) = await rows(database, dead_letters)
    # when it is handled again, once mended, as the postman does
    recorder.fails_on = set()
    for _ in range(2):
        async with database.write() as session:
            item = reader.effects.restore(letter.content)
            await reader.effects.apply(session, [item])
    # then it has its effect once, and the other none again
    there = {str(row.key): row.id for row in await rows(database, events)}
    assert there[letter.event_id] == "event-00001"
    assert [id_ for _, id_ in recorder.seen] == ["event-00000", "event-00001"]
    assert await counted(database) == {ROBOT: (2, 1)}


async def test_nothing_is_accepted_while_redis_is_away() -> None:
    away = Redis.from_url("redis://127.0.0.1:1/0")
    bus = RedisBus(away)
    with pytest.raises(Unavailable, match="ingest unavailable"):
        await Sending(bus)(an_event(0))
    await bus.close()
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
    database: Database, send: Sending, a_reader: AReader, recorder: Recorder
) -> None:
    # given a connection that the server cuts in the middle of a transaction
    async def cut(session: WriteSession) -> None:
        if recorder.calls == 1:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    recorder.first = cut
    await send(an_event(0))
    reader = a_reader()
    with pytest.raises(DBAPIError):
        await reader.drain()
    assert await aside(database) == {}
    await reader.drain()
    assert await counted(database) == {ROBOT: (1, 0)}


async def test_a_hundred_robots_keep_their_order_over_all_partitions(
    database: Database, send: Sending, a_reader: AReader, recorder: Recorder
) -> None:
    # given batches in which many robots' events are mixed
    robots = [uuid7() for _ in range(100)]
    for number in range(10):
        await send(*(an_event(number, subject=robot) for robot in robots))
    await a_reader().drain()
    # then each robot's own were handed on in their order
    seen: dict[str, list[str]] = {}
    for subject, id_ in recorder.seen:
        seen.setdefault(subject, []).append(id_)
    expected = [f"event-{number:05}" for number in range(10)]
    assert seen == {str(robot): expected for robot in robots}
    async with database.read() as session:
        parts: Any = await session.execute(
            select(batches.c.part, func.sum(batches.c.events)).group_by(batches.c.part)
        )
        of_part = dict(parts.all())
    assert set(of_part) == set(range(PARTITIONS))
    assert sum(of_part.values()) == 1000
