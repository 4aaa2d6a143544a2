"""The log of stored events: in the order in which they took effect, for replays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, func, select, text, true

from robosure.contexts.eventflow.tables import archives, batches, events
from robosure.platform.database import ReadSession, WriteSession
from robosure.platform.streams import StreamEvent
from robosure.platform.streams.projections import Stored, Times

_PARTS_AT_ONCE: Final = 500
_TAKEN: Final = text(
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END "
    "FROM eventflow.batch_positions"
)


class StoredLog:
    """Stored events, part of a batch by part, as the parts were processed."""

    async def taken(self, session: ReadSession) -> int:
        """Return the last position that was taken, whether it is committed or not."""
        return int((await session.execute(_TAKEN)).scalar_one())

    async def count(self, session: WriteSession, times: Times) -> int:
        """Return how many events came in parts that have some in that range."""
        statement = select(func.coalesce(func.sum(batches.c.stored), 0)).where(
            *_parts_of(times)
        )
        return int((await session.execute(statement)).scalar_one())

    async def after(
        self,
        session: WriteSession,
        position: int,
        *,
        through: int | None,
        types: Collection[str],
        times: Times,
        limit: int,
    ) -> Stored:
        """Return the next events: those of whole parts, until there are enough."""
        statement = (
            select(batches.c.position, batches.c.stored)
            .where(
                batches.c.position > position,
                batches.c.stored > 0,
                *_parts_of(times),
            )
            .order_by(batches.c.position)
            .limit(_PARTS_AT_ONCE)
        )
        if through is not None:
            statement = statement.where(batches.c.position <= through)
        parts = (await session.execute(statement)).all()
        last, passed = position, 0
        for last, stored in parts:  # noqa: B007 - the last is where the next begins
            passed += stored
            if passed >= limit:
                break
        is_all = len(parts) < _PARTS_AT_ONCE and passed < limit
        found = (
            await self._of_parts(session, (position, last), types, times)
            if parts
            else ()
        )
        return Stored(
            found, through if is_all and through is not None else last, passed
        )

    async def incomplete(self, session: ReadSession | WriteSession) -> str | None:
        """Return what has left the store, or never was in the log."""
        dropped = select(func.max(archives.c.last_day)).where(
            archives.c.dropped_at.is_not(None)
        )
        last_day = (await session.execute(dropped)).scalar_one()
        if last_day is not None:
            return f"events up to {last_day} have left the store, past their retention"
        first = (
            select(batches.c.received_at).order_by(batches.c.position).limit(1)
        ).scalar_subquery()
        unlogged = (
            select(true())
            .where(
                events.c.received_at < func.coalesce(first, text("'infinity'")),
                events.c.batch_id.is_(None),
            )
            .limit(1)
        )
        if (await session.execute(unlogged)).first() is not None:
            return "there are events from before it was kept how they were processed"
        return None

    async def _of_parts(
        self,
        session: WriteSession,
        positions: tuple[int, int],
        types: Collection[str],
        times: Times,
    ) -> Sequence[StreamEvent]:
        conditions: list[ColumnElement[bool]] = [events.c.type.in_(types)]
        if times.since is not None:
            conditions.append(events.c.time >= times.since)
        if times.until is not None:
            conditions.append(events.c.time < times.until)
        of_part = (
            select(events)
            .where(
                events.c.received_at == batches.c.received_at,
                events.c.batch_id == batches.c.batch_id,
                events.c.part == batches.c.part,
                events.c.day.between(_day(batches.c.first_at), _day(batches.c.last_at)),
                *conditions,
            )
            .lateral("event")
        )
        statement = (
            select(of_part)
            .select_from(batches)
            .join(of_part, true())
            .where(
                batches.c.position > positions[0],
                batches.c.position <= positions[1],
                batches.c.stored > 0,
                *_parts_of(times),
            )
            .order_by(batches.c.position, of_part.c.time, of_part.c.key)
        )
        return [_event(row) for row in (await session.execute(statement)).all()]


def _parts_of(times: Times) -> list[ColumnElement[bool]]:
    """Say which parts may have events in that range."""
    asked: list[ColumnElement[bool]] = []
    if times.since is not None:
        asked.append(batches.c.last_at >= times.since)
    if times.until is not None:
        asked.append(batches.c.first_at < times.until)
    return asked


def _day(moment: ColumnElement[datetime]) -> ColumnElement[Any]:
    return func.date(func.timezone("UTC", moment))


def _event(row: Any) -> StreamEvent:
    return StreamEvent(
        key=row.key.hex,
        source=row.source,
        id=row.id,
        type=row.type,
        subject=str(row.subject),
        time=row.time,
        content=orjson.dumps(row.data),
        received_at=row.received_at,
    )
