"""Replays: what was asked for, how far it is, and how it ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    Uuid,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from robosure.kernel.errors import InvalidState, NotFound
from robosure.kernel.ids import uuid7
from robosure.platform.database.behalf import as_platform
from robosure.platform.database.mapping import PLATFORM_SCHEMA, metadata
from robosure.platform.database.session import WriteSession, translating
from robosure.platform.streams.projections.side import drop_side

Status = Literal["waiting", "running", "done", "kept", "failed", "cancelled"]
"""To begin; going on; its tables are live now; kept for looking at; ended without."""

Phase = Literal["facts", "events", "deriving", "switching"]

KEPT: Final = timedelta(days=7)
"""How long tables that are not live are kept for looking at."""
UNDER_WAY: Final = ("waiting", "running")

replays = Table(
    "replays",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("projection", Text, nullable=False),
    Column("since", DateTime(timezone=True)),
    Column("until", DateTime(timezone=True)),
    Column("status", String(16), nullable=False),
    Column("phase", String(16)),
    Column("cancelling", Boolean, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("requested_by", Uuid, nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    # Up to where facts and events were replayed.
    Column("fact_position", BigInteger, nullable=False),
    Column("event_position", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("worked_seconds", Float, nullable=False),
    Column("analyzed", Boolean, nullable=False),
    # Facts that the consumer had not handled, as they wait or are dead letters.
    Column("left_out", Integer),
    Column("lock_attempts", Integer, nullable=False),
    Column("rows", JSONB),
    Column("error", Text),
    Column("kept_until", DateTime(timezone=True)),
    Index(
        "uq_replays_under_way",
        "projection",
        unique=True,
        postgresql_where=text("status IN ('waiting', 'running')"),
    ),
    Index(
        "ix_replays_kept_until",
        "kept_until",
        postgresql_where=text("kept_until IS NOT NULL"),
    ),
    schema=PLATFORM_SCHEMA,
)


async def ask(
    session: WriteSession,
    projection: str,
    *,
    since: datetime | None,
    until: datetime | None,
    by: UUID,
    at: datetime,
) -> UUID:
    """Have a projection replayed; return the replay's id.

    Raises:
        InvalidState: one of the projection is under way.
    """
    replay_id = uuid7()
    under_way = InvalidState("replay_under_way", projection=projection)
    async with translating(session, {"uq_replays_under_way": under_way}):
        await session.execute(
            insert(replays).values(
                id=replay_id,
                projection=projection,
                since=since,
                until=until,
                status="waiting",
                cancelling=False,
                requested_at=at,
                requested_by=by,
                fact_position=0,
                event_position=0,
                done=0,
                worked_seconds=0.0,
                analyzed=False,
                lock_attempts=0,
            )
        )
    return replay_id


async def cancel(session: WriteSession, replay_id: UUID) -> None:
    """Have a replay end without effect, soon.

    Raises:
        NotFound: there is none.
        InvalidState: it has ended.
    """
    replay = await _locked(session, replay_id)
    if replay.status not in UNDER_WAY:
        raise InvalidState("replay_ended", status=replay.status)
    await change(session, replay_id, cancelling=True)


async def drop(session: WriteSession, replay_id: UUID) -> None:
    """Drop the tables that a replay left for looking at.

    Raises:
        NotFound: there is none.
        InvalidState: it left none, or they were dropped.
    """
    replay = await _locked(session, replay_id)
    if replay.kept_until is None:
        raise InvalidState("replay_keeps_no_tables", status=replay.status)
    async with as_platform(session):
        await drop_side(session, replay_id)
    await change(session, replay_id, kept_until=None)


async def drop_expired(session: WriteSession, *, at: datetime) -> int:
    """Drop tables that were kept long enough; return of how many replays."""
    expired = select(replays.c.id).where(replays.c.kept_until <= at)
    statement = expired.with_for_update(skip_locked=True)
    ids = (await session.execute(statement)).scalars().all()
    for replay_id in ids:
        async with as_platform(session):
            await drop_side(session, replay_id)
        await change(session, replay_id, kept_until=None)
    return len(ids)


async def change(session: WriteSession, replay_id: UUID, **values: object) -> None:
    """Note what became of a replay."""
    await session.execute(
        update(replays).where(replays.c.id == replay_id).values(**values)
    )


async def _locked(session: WriteSession, replay_id: UUID) -> Row[Any]:
    statement = select(replays).where(replays.c.id == replay_id).with_for_update()
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("replay_not_found", replay_id=str(replay_id))
    return row
