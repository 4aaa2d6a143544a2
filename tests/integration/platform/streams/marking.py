"""Effects that can be seen, and go wrong in every way: for the engine's contract."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    insert,
    select,
    text,
)

from robosure.kernel.ids import uuid7
from robosure.platform.database import Database, WriteSession
from robosure.platform.streams.bus import Entry, EventBus, Record, partition_of
from robosure.platform.streams.inbox import first_times, redeliveries
from robosure.platform.streams.letters import Letter, dead_letters

GROUP: Final = "marking"
marks_metadata = MetaData(schema="testing")
marks = Table(
    "marks",
    marks_metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column(
        "transaction",
        BigInteger,
        nullable=False,
        server_default=text("pg_current_xact_id()::text::bigint"),
    ),
)


class Event(NamedTuple):
    """What entries hold: a number that a subject says, and how handling it ends."""

    id: UUID
    subject: str
    number: int
    kind: str = "fine"


def event(subject: str, number: int, kind: str = "fine") -> Event:
    return Event(uuid7(), subject, number, kind)


def record(stream: str, *events: Event, partitions: int = 1) -> Record:
    """One entry with these events, which are all of its first one's subject."""
    value = orjson.dumps([tuple(each) for each in events])
    return Record(stream, value, partition_of(events[0].subject, partitions))


async def append_each(
    bus: EventBus, stream: str, events: Sequence[Event], *, partitions: int = 1
) -> None:
    """Append an entry for each event."""
    await bus.append(*(record(stream, each, partitions=partitions) for each in events))


Behaviour = Callable[[WriteSession, Event], Awaitable[None]]


class Marking:
    """Writes a mark for each event, after behaving as its kind says."""

    def __init__(
        self, stream: str, *, worker: str = "here", **behaviours: Behaviour
    ) -> None:
        self.stream = stream
        self.group = GROUP
        self.batches: list[int] = []
        self._worker = worker
        self._behaviours = behaviours

    def decode(self, entry: Entry) -> Sequence[Event]:
        return [
            Event(UUID(id_), subject, number, kind)
            for id_, subject, number, kind in orjson.loads(entry.value)
        ]

    async def apply(self, session: WriteSession, items: Sequence[Event]) -> None:
        self.batches.append(len(items))
        fresh = await first_times(session, GROUP, {item.id for item in items})
        # One that was sent twice may be there twice.
        news = list({item.id: item for item in items if item.id in fresh}.values())
        for item in news:
            if item.kind != "fine":
                await self._behaviours[item.kind](session, item)
        rows = [
            {
                "event_id": item.id,
                "subject": item.subject,
                "number": item.number,
                "worker": self._worker,
            }
            for item in news
        ]
        if rows:
            await session.execute(insert(marks), rows)

    def letter(self, item: Event) -> Letter:
        return Letter(
            consumer=GROUP,
            stream=self.stream,
            event_id=str(item.id),
            type=item.kind,
            subject=item.subject,
            content=orjson.dumps(tuple(item)).decode(),
            occurred_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        )

    def restore(self, content: str) -> Event:
        id_, subject, number, kind = orjson.loads(content)
        return Event(UUID(id_), subject, number, kind)


async def always_fail(_session: WriteSession, item: Event) -> None:
    message = f"{item.subject} {item.number} is poison"
    raise ValueError(message)


async def kill_the_worker(_session: WriteSession, _item: Event) -> None:
    os._exit(9)


def fail(times: int, error: Exception) -> Behaviour:
    """Fail so many times, and then no more."""
    left = [times]

    async def behave(_session: WriteSession, _item: Event) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    return behave


async def marked(db: Database) -> list[tuple[str, int]]:
    """Return what took effect, in order."""
    async with db.read() as session:
        statement = select(marks.c.subject, marks.c.number).order_by(marks.c.position)
        return [(row.subject, row.number) for row in await session.execute(statement)]


async def count(db: Database) -> int:
    return len(await marked(db))


async def workers_of(db: Database) -> set[str]:
    async with db.read() as session:
        return set((await session.execute(select(marks.c.worker))).scalars())


async def transactions_of(db: Database) -> int:
    """Return in how many transactions the marks were made."""
    async with db.read() as session:
        statement = select(marks.c.transaction).distinct()
        return len((await session.execute(statement)).all())


async def letters_of(db: Database, *columns: str) -> list[tuple[Any, ...]]:
    """Return these columns of the dead letters, the first that failed first."""
    async with db.read() as session:
        statement = select(*(dead_letters.c[name] for name in columns)).order_by(
            dead_letters.c.first_failed_at, dead_letters.c.id
        )
        return [tuple(row) for row in await session.execute(statement)]


async def suspected(db: Database) -> int:
    """Return how many entries and events are noted as redelivered."""
    async with db.read() as session:
        return len((await session.execute(select(redeliveries))).all())
