"""Dead letters: what could not be handled, kept with the reason until someone decides.

A letter holds all that is needed to handle the event again. What failed for a reason
that may pass is tried again by itself, for a day; then it waits for a person, who may
edit it, replay it, or discard it. A replay is the original event with its own id, which
never had its effects, so nothing takes it for a repeat.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    Uuid,
    case,
    cast,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from robosure.kernel.errors import DomainError, ErrorKind, NotFound
from robosure.kernel.ids import uuid7
from robosure.platform.database.mapping import PLATFORM_SCHEMA, metadata
from robosure.platform.database.session import WriteSession

Status = Literal["waiting", "retrying", "replaying", "replayed", "discarded"]
"""Waiting for a person; to be tried again by itself; to be replayed; done; given up."""

OPEN: Final = ("waiting", "retrying")
"""What a person may still replay, edit or discard."""

UNREADABLE: Final = "unreadable"
"""The type of a letter that holds what nobody can read."""

RETRIES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=15),
)
"""How long after each failure an event is tried again whose failure may pass."""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("consumer", String(64), nullable=False),
    Column("stream", String(64), nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("source", Text),
    Column("subject", Text),
    Column("content", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("traceback_digest", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("correlation_id", Text),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("first_failed_at", DateTime(timezone=True), nullable=False),
    Column("failed_at", DateTime(timezone=True), nullable=False),
    Column("status", String(16), nullable=False),
    Column("retries", Integer, nullable=False),
    Column("retry_at", DateTime(timezone=True)),
    Column("edited", Boolean, nullable=False),
    Column("settled_at", DateTime(timezone=True)),
    Column("settled_by", Uuid),
    Column("reason", Text),
    Index("uq_dead_letters_consumer_event_id", "consumer", "event_id", unique=True),
    Index(
        "ix_dead_letters_due",
        "consumer",
        "retry_at",
        postgresql_where=text("status IN ('retrying', 'replaying')"),
    ),
    Index("ix_dead_letters_subject", "subject"),
    schema=PLATFORM_SCHEMA,
)

VERSION: Final = cast(
    cast(literal_column("dead_letters.xmin"), Text), BigInteger
).label("version")
"""Another one after each change, whoever makes it: the transaction that wrote the row.

The engine changes letters as people do, so PostgreSQL keeps count and no column does.
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """An event as it is kept.

    Attributes:
        event_id: unique for its consumer.
        source: who sent it; None for a fact of our own.
        subject: what it is about, if it says.
        content: JSON of all that is needed to handle it again.
    """

    consumer: str
    stream: str
    event_id: str
    type: str
    content: str
    occurred_at: datetime
    source: str | None = None
    subject: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A letter whose event is to be handled again."""

    id: UUID
    consumer: str
    stream: str
    content: str
    correlation_id: str | None
    settled_by: UUID | None


class KilledWorkersError(Exception):
    """The event was being handled, alone, whenever its worker died."""


def may_pass(error: BaseException) -> bool:
    """Whether waiting may help: something is not known yet, or away."""
    passing = {ErrorKind.NOT_YET_KNOWN, ErrorKind.UNAVAILABLE}
    if isinstance(error, DomainError):
        return error.kind in passing
    return isinstance(error, (TimeoutError, ConnectionError))


async def put_aside(
    session: WriteSession,
    letter: Letter,
    *,
    error: BaseException,
    attempts: int,
    at: datetime,
) -> None:
    """Keep an event that failed; one that failed before, once, with its new reason."""
    retry_at = at + RETRIES[0] if may_pass(error) else None
    keeping = insert(dead_letters).values(
        id=uuid7(),
        consumer=letter.consumer,
        stream=letter.stream,
        event_id=letter.event_id,
        type=letter.type,
        source=letter.source,
        subject=letter.subject,
        content=_storable(letter.content),
        error=error_text(error),
        traceback_digest=digest_of(error),
        attempts=attempts,
        correlation_id=letter.correlation_id,
        occurred_at=letter.occurred_at,
        first_failed_at=at,
        failed_at=at,
        status="waiting" if retry_at is None else "retrying",
        retries=0,
        retry_at=retry_at,
        edited=False,
    )
    await session.execute(
        keeping.on_conflict_do_update(
            index_elements=["consumer", "event_id"],
            set_={
                "attempts": dead_letters.c.attempts + keeping.excluded.attempts,
                "error": keeping.excluded.error,
                "traceback_digest": keeping.excluded.traceback_digest,
                "failed_at": keeping.excluded.failed_at,
                # One that a person gave up stays given up.
                "status": case(
                    (dead_letters.c.status == "discarded", dead_letters.c.status),
                    else_=keeping.excluded.status,
                ),
                "retry_at": keeping.excluded.retry_at,
            },
        )
    )


async def next_due(
    session: WriteSession, consumers: list[str], *, at: datetime
) -> Due | None:
    """Return a letter to be handled again, locked; skip what others hold."""
    statement = (
        select(
            dead_letters.c.id,
            dead_letters.c.consumer,
            dead_letters.c.stream,
            dead_letters.c.content,
            dead_letters.c.correlation_id,
            dead_letters.c.settled_by,
        )
        .where(
            dead_letters.c.consumer.in_(consumers),
            dead_letters.c.status.in_(["retrying", "replaying"]),
            or_(
                dead_letters.c.status == "replaying",
                dead_letters.c.retry_at <= at,
            ),
        )
        .order_by(dead_letters.c.first_failed_at, dead_letters.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else Due(*row)


async def mark_replayed(
    session: WriteSession, letter_id: UUID, *, at: datetime
) -> None:
    """Note that the event has had its effects now."""
    await session.execute(
        update(dead_letters)
        .where(dead_letters.c.id == letter_id)
        .values(status="replayed", retry_at=None, settled_at=at)
    )


async def mark_failed(
    session: WriteSession, letter_id: UUID, *, error: BaseException, at: datetime
) -> None:
    """Note that the event failed again: tried later, or left to a person."""
    statement = select(dead_letters.c.retries).where(dead_letters.c.id == letter_id)
    retries = (await session.execute(statement)).scalar_one() + 1
    again = may_pass(error) and retries < len(RETRIES)
    await session.execute(
        update(dead_letters)
        .where(dead_letters.c.id == letter_id)
        .values(
            status="retrying" if again else "waiting",
            retries=retries,
            retry_at=at + RETRIES[retries] if again else None,
            attempts=dead_letters.c.attempts + 1,
            error=error_text(error),
            traceback_digest=digest_of(error),
            failed_at=at,
        )
    )


def error_text(error: BaseException) -> str:
    """Return the error in a line, as PostgreSQL can store it."""
    return _storable(f"{type(error).__name__}: {error}")[:2000]


def digest_of(error: BaseException) -> str:
    """Return what failures at the same place have in common."""
    trace = "".join(traceback.format_tb(error.__traceback__))
    return hashlib.sha256(trace.encode()).hexdigest()[:16]


def _storable(content: str) -> str:
    return content.replace("\0", "\N{SYMBOL FOR NULL}")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which letters are meant; None does not ask.

    Attributes:
        ids: these.
        digest: those that failed at the same place.
    """

    ids: tuple[UUID, ...] | None = None
    consumer: str | None = None
    type: str | None = None
    digest: str | None = None
    subject: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Say it in SQL."""
        asked = [
            column == value
            for column, value in (
                (dead_letters.c.consumer, self.consumer),
                (dead_letters.c.type, self.type),
                (dead_letters.c.traceback_digest, self.digest),
                (dead_letters.c.subject, self.subject),
            )
            if value is not None
        ]
        if self.ids is not None:
            asked.append(dead_letters.c.id.in_(self.ids))
        return asked


async def lock(session: WriteSession, letter_id: UUID) -> Row[Any]:
    """Return a letter with its version, locked.

    Raises:
        NotFound: there is none.
    """
    statement = select(dead_letters, VERSION).where(dead_letters.c.id == letter_id)
    row = (await session.execute(statement.with_for_update())).one_or_none()
    if row is None:
        raise NotFound("dead_letter_not_found", letter_id=str(letter_id))
    return row


async def rewrite(
    session: WriteSession, letter_id: UUID, content: str, *, by: UUID
) -> int:
    """Change what will be handled when the letter is replayed; return its version."""
    rewritten = await session.execute(
        update(dead_letters)
        .where(dead_letters.c.id == letter_id)
        .values(content=_storable(content), edited=True, settled_by=by)
        .returning(VERSION)
    )
    return int(rewritten.scalar_one())


async def ask_replay(
    session: WriteSession, chosen: Chosen, *, by: UUID
) -> dict[UUID, str]:
    """Have these replayed, of those that can be; return which, and what each was.

    A letter that nobody can read cannot be, and one that is done need not be.
    """
    return await _settle(
        session,
        select(dead_letters.c.id, dead_letters.c.status).where(
            *chosen.conditions(),
            dead_letters.c.status.in_(OPEN),
            dead_letters.c.type != UNREADABLE,
        ),
        {"status": "replaying", "retry_at": None, "settled_by": by, "reason": None},
    )


async def discard(
    session: WriteSession, chosen: Chosen, *, by: UUID, reason: str, at: datetime
) -> dict[UUID, str]:
    """Give these up, of those that still wait; return which, and what each was."""
    return await _settle(
        session,
        select(dead_letters.c.id, dead_letters.c.status).where(
            *chosen.conditions(), dead_letters.c.status.in_(OPEN)
        ),
        {
            "status": "discarded",
            "retry_at": None,
            "settled_by": by,
            "settled_at": at,
            "reason": reason,
        },
    )


async def _settle(
    session: WriteSession, wanted: Select[UUID, str], values: Mapping[str, Any]
) -> dict[UUID, str]:
    """Change letters; return what the status of each was, by id, the oldest first."""
    found = wanted.with_for_update().cte("found")
    statement = (
        update(dead_letters)
        .where(dead_letters.c.id == found.c.id)
        .values(**values)
        .returning(found.c.id, found.c.status)
    )
    rows = await session.execute(statement)
    return dict(sorted((row.id, row.status) for row in rows))
