"""Consumers: each event has one effect, in its order, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from sqlalchemy import select

from robosure.kernel.errors import NotYetKnown
from robosure.platform.correlation import current
from robosure.platform.database import Database, WriteSession
from robosure.platform.events import publish
from robosure.platform.outbox import outbox
from robosure.platform.streams import (
    Envelope,
    Relay,
    Subscription,
    consumers,
    on,
    subscriptions,
)
from tests.integration.platform.testing.events import Emptied, Filled
from tests.integration.platform.testing.listening import (
    STREAM,
    aside_of,
    effects_of,
    listening,
    note,
    running,
    tell,
    until,
)


async def test_an_event_delivered_again_has_one_effect(
    db: Database, redis: Redis, relay: Relay
) -> None:
    # given a worker that dies between the commit and the acknowledgement
    await tell(db, "a")
    await relay.relay()
    with (
        patch.object(redis, "xack", side_effect=SystemExit),
        pytest.raises(SystemExit),
    ):
        await listening(db, redis).drain()
    assert await effects_of(db) == ["a"]
    # when it starts again
    assert await listening(db, redis).drain() == 1
    # then
    assert await effects_of(db) == ["a"]
    assert (await redis.xpending(STREAM, "listening"))["pending"] == 0


async def test_a_handler_that_fails_has_no_effect_and_is_tried_again(
    db: Database, redis: Redis, relay: Relay
) -> None:
    tried: list[str] = []

    async def fail_once(
        session: WriteSession, event: Filled, envelope: Envelope
    ) -> None:
        await note(session, event, envelope)
        tried.append(event.name)
        if len(tried) == 1:
            raise ValueError

    await tell(db, "a", "b")
    await relay.relay()
    await listening(db, redis, fail_once).drain()
    assert tried == ["a", "a", "b"]
    assert await effects_of(db) == ["a", "b"]


async def test_an_event_that_keeps_failing_is_put_aside_and_the_next_pass(
    db: Database, redis: Redis, relay: Relay
) -> None:
    async def refuse_b(
        session: WriteSession, event: Filled, envelope: Envelope
    ) -> None:
        await note(session, event, envelope)
        if event.name == "b":
            message = "never b"
            raise ValueError(message)

    await tell(db, "a", "b", "c")
    await relay.relay()
    await listening(db, redis, refuse_b).drain()
    assert await effects_of(db) == ["a", "c"]
    assert await aside_of(db) == [("b", "ValueError: never b", 3)]


async def test_what_is_not_yet_known_is_waited_for(
    db: Database, redis: Redis, relay: Relay
) -> None:
    tried: list[str] = []

    async def wait_twice(
        session: WriteSession, event: Filled, envelope: Envelope
    ) -> None:
        tried.append(event.name)
        if len(tried) <= 2:
            raise NotYetKnown("cover_not_yet_known")
        await note(session, event, envelope)

    await tell(db, "a")
    await relay.relay()
    await listening(db, redis, wait_twice).drain()
    assert tried == ["a"] * 3
    assert await effects_of(db) == ["a"]
    assert await aside_of(db) == []


async def test_a_handler_acts_in_the_course_of_its_event(
    db: Database, redis: Redis, relay: Relay
) -> None:
    async def pass_on(session: WriteSession, event: Filled, envelope: Envelope) -> None:
        because = current()
        assert because.causation_id == envelope.event_id
        publish(session, Emptied(event.cart_id))

    await tell(db, "a")
    await relay.relay()
    await listening(db, redis, pass_on).drain()
    # then what it tells is known to be caused by it, and what nobody handles passes
    await relay.relay()
    assert await listening(db, redis).drain() == 1
    async with db.read() as session:
        told = select(outbox.c.causation_id, outbox.c.event_id)
        rows = (await session.execute(told.order_by(outbox.c.position))).all()
    assert rows[1].causation_id == rows[0].event_id


async def test_entries_of_a_lost_worker_are_taken_over(
    db: Database, redis: Redis, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a worker that read two entries and was never seen again
    await tell(db, "a", "b")
    await relay.relay()
    await redis.xgroup_create(STREAM, "listening", id="0")
    await redis.xreadgroup("listening", "lost", {STREAM: ">"})
    # when another one has waited long enough
    monkeypatch.setattr(consumers, "_STALE_MS", 0)
    async with running(listening(db, redis, name="worker-2").run):
        await until(lambda: effects_of(db), ["a", "b"])
    # then nothing is left pending
    assert (await redis.xpending(STREAM, "listening"))["pending"] == 0


async def test_all_that_was_left_pending_is_done_before_anything_new(
    db: Database, redis: Redis, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given five entries that this worker was given in its last life, and a new one
    monkeypatch.setattr(consumers, "_COUNT", 2)
    await tell(db, *"abcde")
    await relay.relay()
    await redis.xgroup_create(STREAM, "listening", id="0")
    await redis.xreadgroup("listening", "worker-1", {STREAM: ">"})
    await tell(db, "new")
    await relay.relay()
    # then they take effect in their order
    async with running(listening(db, redis).run):
        await until(lambda: effects_of(db), [*"abcde", "new"])


async def test_a_bug_in_reading_is_not_passed_over(
    db: Database, redis: Redis, relay: Relay
) -> None:
    # given something else under the stream's name
    await redis.set(STREAM, "no stream")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        async with running(listening(db, redis).run):
            await asyncio.sleep(0.2)


async def test_a_database_that_is_away_is_no_fault_of_the_event(
    db: Database, redis: Redis, relay: Relay
) -> None:
    # given a database that is away for longer than there are attempts
    outages: list[str] = []

    async def away(session: WriteSession, event: Filled, envelope: Envelope) -> None:
        if len(outages) < 5:
            outages.append(event.name)
            raise ConnectionRefusedError
        await note(session, event, envelope)

    await tell(db, "a", "b")
    await relay.relay()
    async with running(listening(db, redis, away).run):
        await until(lambda: effects_of(db), ["a", "b"])
    assert outages == ["a"] * 5
    assert await aside_of(db) == []


def test_consumers_are_grouped_by_listener_and_publisher(
    db: Database, redis: Redis
) -> None:
    async def empty(session: WriteSession, event: Emptied, envelope: Envelope) -> None:
        """Do nothing."""

    def grouped(*listeners: Any) -> list[Subscription]:
        return subscriptions(
            listeners, database=db, redis=redis, name="worker-1", attempts=1
        )

    found = grouped(
        on(Filled, group="one", handler=note),
        on(Emptied, group="one", handler=empty),
        on(Filled, group="other", handler=note),
    )
    assert [(each.group, each.publisher) for each in found] == [
        ("one", "testing"),
        ("other", "testing"),
    ]
    same = on(Filled, group="one", handler=note)
    with pytest.raises(ValueError, match=r"one handles testing\.Filled twice"):
        grouped(same, same)
