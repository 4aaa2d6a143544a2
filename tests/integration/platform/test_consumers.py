"""Consumers: each event has one effect, in its order, whatever dies meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from unittest.mock import patch
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import insert, select

from robosure.kernel.errors import NotYetKnown
from robosure.kernel.ids import uuid7
from robosure.platform.correlation import current
from robosure.platform.database import Database, WriteSession
from robosure.platform.events import publish
from robosure.platform.outbox import outbox
from robosure.platform.streams import (
    Envelope,
    EventBus,
    Relay,
    on,
    on_several,
    subscriptions,
)
from tests.integration.platform.testing.cart import effects
from tests.integration.platform.testing.events import Emptied, Filled
from tests.integration.platform.testing.listening import (
    KEY,
    aside_of,
    effects_of,
    listening,
    note,
    reading,
    running,
    tell,
    until,
)


async def test_an_event_delivered_again_has_one_effect(
    db: Database, redis: Redis, bus: EventBus, relay: Relay
) -> None:
    # given a worker that dies between the commit and the acknowledgement
    await tell(db, "a")
    await relay.relay()
    with (
        patch.object(redis, "xack", side_effect=SystemExit),
        pytest.raises(SystemExit),
    ):
        await listening(db, bus).drain()
    assert await effects_of(db) == ["a"]
    # when it starts again
    assert await listening(db, bus).drain() == 1
    # then
    assert await effects_of(db) == ["a"]
    assert (await redis.xpending(KEY, "listening"))["pending"] == 0


async def test_a_handler_that_fails_has_no_effect_and_is_tried_again(
    db: Database, bus: EventBus, relay: Relay
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
    await listening(db, bus, fail_once).drain()
    assert len(tried) > 2
    assert await effects_of(db) == ["a", "b"]


async def test_events_that_follow_one_another_are_taken_together_and_each_once(
    db: Database, bus: EventBus, relay: Relay
) -> None:
    # given a reaction to several at once, which one of them makes fail
    taken: list[list[str]] = []
    ids: set[UUID] = set()

    async def take(
        session: WriteSession, facts: Sequence[tuple[Filled, Envelope]]
    ) -> None:
        names = [event.name for event, _ in facts]
        ids.update(envelope.event_id for _, envelope in facts)
        taken.append(names)
        for name in names:
            values = {"group": "listening", "what": name, "event_id": uuid7()}
            await session.execute(insert(effects).values(**values))
        if "c" in names:
            message = "never c"
            raise ValueError(message)

    reader = reading(db, bus, on_several(Filled, group="listening", handler=take))
    await tell(db, "a", "b", "c", "d")
    await relay.relay()
    # when
    await reader.drain()
    # then all came in their order, and but for that one each had its effect, once
    assert taken[0] == ["a", "b", "c", "d"]
    assert len(ids) == 4
    assert await effects_of(db) == ["a", "b", "d"]
    assert [name for name, *_ in await aside_of(db)] == ["c"]


async def test_an_event_that_keeps_failing_is_put_aside_and_the_next_pass(
    db: Database, bus: EventBus, relay: Relay
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
    await listening(db, bus, refuse_b).drain()
    assert await effects_of(db) == ["a", "c"]
    assert await aside_of(db) == [("b", "ValueError: never b", 3)]


async def test_what_is_not_yet_known_is_waited_for(
    db: Database, bus: EventBus, relay: Relay
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
    await listening(db, bus, wait_twice).drain()
    assert tried == ["a"] * 4  # the last time for good
    assert await effects_of(db) == ["a"]
    assert await aside_of(db) == []


async def test_a_handler_acts_in_the_course_of_its_event(
    db: Database, bus: EventBus, relay: Relay
) -> None:
    async def pass_on(session: WriteSession, event: Filled, envelope: Envelope) -> None:
        because = current()
        assert because.causation_id == envelope.event_id
        publish(session, Emptied(event.cart_id))

    await tell(db, "a")
    await relay.relay()
    await listening(db, bus, pass_on).drain()
    # then what it tells is known to be caused by it, and what nobody handles passes
    await relay.relay()
    assert await listening(db, bus).drain() == 1
    async with db.read() as session:
        told = select(outbox.c.causation_id, outbox.c.event_id)
        rows = (await session.execute(told.order_by(outbox.c.position))).all()
    assert rows[1].causation_id == rows[0].event_id


async def test_a_database_that_is_away_is_no_fault_of_the_event(
    db: Database, bus: EventBus, relay: Relay
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
    async with running(listening(db, bus, away).run):
        await until(lambda: effects_of(db), ["a", "b"])
    assert outages == ["a"] * 5
    assert await aside_of(db) == []


def test_consumers_are_grouped_by_listener_and_publisher() -> None:
    async def empty(session: WriteSession, event: Emptied, envelope: Envelope) -> None:
        """Do nothing."""

    found = subscriptions(
        [
            on(Filled, group="one", handler=note),
            on(Emptied, group="one", handler=empty),
            on(Filled, group="other", handler=note),
        ]
    )
    assert [(each.group, each.publisher) for each in found] == [
        ("one", "testing"),
        ("other", "testing"),
    ]
    same = on(Filled, group="one", handler=note)
    with pytest.raises(ValueError, match=r"one handles testing\.Filled twice"):
        subscriptions([same, same])
