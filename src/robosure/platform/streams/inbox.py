"""The inbox: an event's effects happen once, however often it is delivered."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Column, DateTime, Index, Integer, String, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB, insert

from robosure.kernel.ids import uuid7
from robosure.platform.database.mapping import PLATFORM_SCHEMA, metadata
from robosure.platform.database.session import WriteSession
from robosure.platform.events import Told

inbox = Table(
    "inbox",
    metadata,
    Column("consumer", String(64), primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column(
        "processed_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.now(),
    ),
    schema=PLATFORM_SCHEMA,
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("consumer", String(64), nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("type", String(100), nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("error", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column(
        "failed_at", DateTime(timezone=True), nullable=False, server_default=func.now()
    ),
    Index("uq_dead_letters_consumer_event", "consumer", "event_id", unique=True),
    schema=PLATFORM_SCHEMA,
)


async def first_time(session: WriteSession, consumer: str, event_id: UUID) -> bool:
    """Claim the event for this consumer; False if its effects are already there."""
    claim = (
        insert(inbox)
        .values(consumer=consumer, event_id=event_id)
        .on_conflict_do_nothing()
        .returning(inbox.c.event_id)
    )
    return (await session.execute(claim)).first() is not None


async def put_aside(
    session: WriteSession, consumer: str, told: Told, *, error: Exception, attempts: int
) -> None:
    """Keep an event that cannot be handled, with the reason, for a person to see."""
    await session.execute(
        insert(dead_letters)
        .values(
            id=uuid7(),
            consumer=consumer,
            event_id=told.envelope.event_id,
            type=told.envelope.type,
            payload=told.payload,
            error=f"{type(error).__name__}: {error}"[:2000],
            attempts=attempts,
        )
        .on_conflict_do_nothing()
    )
