"""A projection of the tests' own: it counts, so what is replayed twice shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from robosure.contexts.eventflow.service.log import StoredLog
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database, WriteSession
from robosure.platform.runtime import Runtime
from robosure.platform.streams import Envelope, EventBus, Reader, Relay, on
from robosure.platform.streams.projections import Projection, Replayer, replays
from robosure.platform.streams.projections.side import side_of
from tests.integration.platform.testing.events import Filled
from tests.integration.platform.testing.listening import reading, tell

GROUP: Final = "counting"
BY: Final = uuid7()
counting_metadata = MetaData(
    schema="counting",
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)
tallies = Table(
    "tallies",
    counting_metadata,
    Column("name", Text, primary_key=True),
    Column("times", Integer, nullable=False),
    Column("amount", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("times > 0", name="times"),
    Index("ix_tallies_times", "times", postgresql_where=text("times > 1")),
)
notes = Table(
    "notes",
    counting_metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False, unique=True),
)
names = Table(
    "names",
    counting_metadata,
    Column("name", Text, primary_key=True),
)

Handler = Callable[[WriteSession, Filled, Envelope], Awaitable[None]]


async def count(session: WriteSession, event: Filled, envelope: Envelope) -> None:
    """Count the fact, which adds up, and note it, which fails the second time."""
    adding = upsert(tallies).values(name=event.name, times=1, amount=event.amount)
    await session.execute(
        adding.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "times": tallies.c.times + 1,
                "amount": tallies.c.amount + event.amount,
            },
        )
    )
    await session.execute(insert(notes).values(event_id=envelope.event_id))


def projection(handler: Handler = count, **differing: Any) -> Projection:
    values: dict[str, Any] = {
        "name": "counting.tallies",
        "description": "How often each name was told.",
        "tables": (tallies, notes),
        "consumers": (on(Filled, group=GROUP, handler=handler),),
        **differing,
    }
    return Projection(**values)


@dataclass
class Counting:
    """A consumer that counts facts, and replays of its tables."""

    runtime: Runtime
    db: Database
    bus: EventBus
    relay: Relay
    projection: Projection = field(default_factory=projection)

    def reader(self, handler: Handler = count) -> Reader:
        return reading(self.db, self.bus, on(Filled, group=GROUP, handler=handler))

    def replayer(self) -> Replayer:
        return Replayer(
            self.db,
            [self.projection],
            stored=StoredLog(),
            inbox_kept=timedelta(days=30),
            clock=self.runtime.clock,
        )

    async def live(self, *told: str, handler: Handler = count) -> None:
        """Tell facts, and have them handled."""
        await tell(self.db, *told)
        while await self.relay.relay():
            pass
        await self.reader(handler).drain()

    async def ask(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> UUID:
        async with self.db.write() as session:
            return await replays.ask(
                session,
                self.projection.name,
                since=since,
                until=until,
                by=BY,
                at=self.runtime.clock.now(),
            )

    async def replay(self, **times: Any) -> Any:
        """Replay to the end; return the replay."""
        replay_id = await self.ask(**times)
        await self.replayer().drain()
        return await self.of(replay_id)

    async def of(self, replay_id: UUID) -> Any:
        table = replays.replays
        async with self.db.read() as session:
            statement = select(table).where(table.c.id == replay_id)
            return (await session.execute(statement)).one()

    async def counts(self, schema: str = "counting") -> dict[str, int]:
        async with self.db.read() as session:
            statement = text(f"SELECT name, times FROM {schema}.tallies ORDER BY name")
            return {row.name: row.times for row in await session.execute(statement)}

    async def kept(self, replay_id: UUID) -> dict[str, int]:
        return await self.counts(side_of(replay_id))

    async def spoil(self) -> None:
        """Let the live tables say what never was."""
        async with self.db.write() as session:
            await session.execute(text("DELETE FROM counting.tallies"))
            await session.execute(insert(tallies).values(name="spoilt", times=9))

    async def schemas(self) -> list[str]:
        async with self.db.read() as session:
            statement = text(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'replay%'"
            )
            return list((await session.execute(statement)).scalars())
