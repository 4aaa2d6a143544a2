"""The outbox: facts are rows in the transaction that made them true.

``before_commit`` moves what aggregates recorded into the table. It runs later than
``before_flush`` would, which also catches a fact recorded without a change, and takes
positions as late as possible, when the changes are written and their rows locked, so
that the relay sees the facts about one thing in the order in which they became true.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    delete,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from robosure.kernel.events import DomainEvent
from robosure.kernel.ids import uuid7
from robosure.platform.correlation import current
from robosure.platform.database.mapping import PLATFORM_SCHEMA, metadata
from robosure.platform.database.session import (
    TellingSession,
    WriteSession,
    clock_of,
    seen_aggregates,
)
from robosure.platform.events import FACTS, Envelope, Told, adapter, context_of, type_of

CHANNEL = "robosure_outbox"
_ROWS = "outbox_rows"

outbox = Table(
    "outbox",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("context", String(32), nullable=False),
    Column("type", String(100), nullable=False),
    Column("version", SmallInteger, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("correlation_id", Text),
    Column("causation_id", Uuid),
    Column("actor", Uuid),
    Column("published_at", DateTime(timezone=True)),
    Index(
        "ix_outbox_unpublished",
        "position",
        postgresql_where=text("published_at IS NULL"),
    ),
    Index(
        "ix_outbox_of_people",
        text("(payload ->> 'user_id')"),
        postgresql_where=text("type LIKE 'identity.User%'"),
    ),
    Index(
        "ix_outbox_of_robots",
        text("(payload ->> 'robot_id')"),
        "occurred_at",
        postgresql_where=text("payload ->> 'robot_id' IS NOT NULL"),
    ),
    Index("ix_outbox_published_at", "published_at"),
    Index("ix_outbox_correlation_id", "correlation_id"),
    schema=PLATFORM_SCHEMA,
)


@event.listens_for(TellingSession, "before_commit")
def _write_facts(session: Session) -> None:
    if session.in_nested_transaction():
        return  # a savepoint may still be rolled back; the facts wait for the commit
    attribute_facts(session)
    rows: list[dict[str, Any]] = session.info.pop(_ROWS, [])
    if rows:
        connection = session.connection()
        connection.execute(insert(outbox), rows)
        connection.execute(text(f"NOTIFY {CHANNEL}"))


def attribute_facts(session: Session) -> None:
    """Note what was recorded so far as caused by what is being done now.

    Who does several things in one transaction, each with a cause of its own, calls it
    after each; the commit does so for the rest.
    """
    session.flush()
    facts: list[DomainEvent] = session.info.pop(FACTS, [])
    for aggregate in seen_aggregates(session):
        facts.extend(aggregate.collect_events())
    if facts:
        now = clock_of(session).now()
        session.info.setdefault(_ROWS, []).extend(_row(fact, now) for fact in facts)


def _row(fact: DomainEvent, occurred_at: datetime) -> dict[str, Any]:
    because = current()
    kind = type(fact)
    return {
        "event_id": uuid7(),
        "context": context_of(kind),
        "type": type_of(kind),
        "version": kind.version,
        "payload": adapter(kind).dump_python(fact, mode="json"),
        "occurred_at": occurred_at,
        "correlation_id": because.correlation_id,
        "causation_id": because.causation_id,
        "actor": because.actor,
    }


_mark_published: Final = (
    update(outbox)
    .where(outbox.c.position == any_(bindparam("positions", type_=ARRAY(BigInteger))))
    .values(published_at=select(func.clock_timestamp()).scalar_subquery())
)


async def unpublished(session: WriteSession, limit: int) -> list[tuple[int, str, Told]]:
    """Return the next facts to relay, in order: position, context, fact.

    Empty as well while another relay holds the lock: one relay at a time keeps order.
    """
    lock = select(func.pg_try_advisory_xact_lock(func.hashtext(CHANNEL)))
    if not (await session.execute(lock)).scalar_one():
        return []
    waiting = (
        select(outbox)
        .where(outbox.c.published_at.is_(None))
        .order_by(outbox.c.position)
        .limit(limit)
    )
    rows = (await session.execute(waiting)).all()
    return [(row.position, row.context, told_of(row)) for row in rows]


async def backlog(session: WriteSession) -> tuple[int, datetime | None]:
    """Return how many facts wait to be relayed, and since when the oldest does."""
    waiting = select(func.count(), func.min(outbox.c.occurred_at)).where(
        outbox.c.published_at.is_(None)
    )
    depth, oldest = (await session.execute(waiting)).one()
    return depth, oldest


async def mark_published(session: WriteSession, positions: list[int]) -> None:
    """Remember that the stream has them, since now.

    That is one moment for all, and later than any before: not when the transaction
    began, for another relay may have appended since.
    """
    await session.execute(_mark_published, {"positions": positions})


async def forget_published(session: WriteSession, *, keep: timedelta) -> int:
    """Delete facts relayed longer ago than that; return how many."""
    statement = delete(outbox).where(outbox.c.published_at < func.now() - keep)
    deleted = await session.execute(statement.returning(outbox.c.position))
    return len(deleted.all())


def told_of(row: Any) -> Told:
    """Return the fact that a row of the outbox holds."""
    return Told(
        Envelope(
            event_id=row.event_id,
            type=row.type,
            version=row.version,
            occurred_at=row.occurred_at,
            correlation_id=row.correlation_id,
            causation_id=row.causation_id,
            actor=row.actor,
        ),
        row.payload,
    )
