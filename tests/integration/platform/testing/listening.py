"""Telling, listening and waiting, for the tests of the relay and of consumers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import insert, select

from robosure.kernel.ids import uuid7
from robosure.platform.database import Database, WriteSession
from robosure.platform.events import publish
from robosure.platform.streams import (
    Consumer,
    Envelope,
    EventBus,
    Reader,
    on,
    subscriptions,
)
from robosure.platform.streams.appending import key_of
from robosure.platform.streams.bus import events_of
from robosure.platform.streams.letters import dead_letters
from tests.integration.platform.testing.cart import effects
from tests.integration.platform.testing.events import Filled

KEY: Final = key_of(events_of("testing"), 0)
"""The stream of this context's facts, as Redis knows it."""
Handler = Callable[[WriteSession, Filled, Envelope], Awaitable[None]]


async def tell(db: Database, *names: str) -> None:
    """Tell facts, each in a transaction of its own."""
    for name in names:
        async with db.write() as session:
            publish(session, Filled(uuid7(), name, 1))


async def note(session: WriteSession, event: Filled, envelope: Envelope) -> None:
    """Have an effect: a row with the event's name."""
    values = {"group": "listening", "what": event.name, "event_id": envelope.event_id}
    await session.execute(insert(effects).values(**values))


def listening(
    db: Database, bus: EventBus, handler: Handler = note, *, group: str = "listening"
) -> Reader:
    return reading(db, bus, on(Filled, group=group, handler=handler))


def reading(db: Database, bus: EventBus, *consumers: Consumer[Any]) -> Reader:
    (effects,) = subscriptions(consumers)
    return Reader(bus, db, effects, attempts=3)


async def effects_of(db: Database) -> list[str]:
    async with db.read() as session:
        found = await session.execute(select(effects.c.what).order_by(effects.c.id))
        return list(found.scalars())


async def aside_of(db: Database) -> list[tuple[Any, ...]]:
    async with db.read() as session:
        found = await session.execute(
            select(
                dead_letters.c.content, dead_letters.c.error, dead_letters.c.attempts
            )
        )
        return [
            (json.loads(row.content)["payload"]["name"], row.error, row.attempts)
            for row in found
        ]


@asynccontextmanager
async def running(
    run: Callable[[asyncio.Event], Awaitable[None]],
) -> AsyncIterator[None]:
    """Run until the block is done; what it raises is raised here."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def until(
    ask: Callable[[], Awaitable[Any]], expected: Any, *, seconds: int = 10
) -> None:
    """Ask until the answer is the expected one; fail with the last after a while."""
    answer = await ask()
    for _ in range(seconds * 100):
        if answer == expected:
            return
        await asyncio.sleep(0.01)
        answer = await ask()
    assert answer == expected
