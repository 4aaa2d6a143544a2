"""Eventflow's ports over SQL, and the statements that store events by thousands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    DateTime,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from robosure.contexts.eventflow.domain import Extraction, StoredEvent
from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.eventflow.tables import (
    events,
    extractions,
    failed_events,
    robots,
    subject_counts,
)
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database, WriteSession
from robosure.platform.streams import StreamEvent

Key = tuple[str, str]
"""Which event: its source and id."""


@dataclass(slots=True)
class Tally:
    """What happened to a subject's events in one transaction."""

    stored: int = 0
    repeated: int = 0
    failed: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def count(self, event: StreamEvent, *, new: bool) -> None:
        """Count an event as stored, or as a repeat."""
        if not new:
            self.repeated += 1
            return
        self.stored += 1
        self.first_at = min(self.first_at or event.time, event.time)
        self.last_at = max(self.last_at or event.time, event.time)


def _incoming(**columns: Any) -> Any:
    """Return parallel arrays, bound by name, as a table of rows."""
    arrays = [bindparam(name, type_=ARRAY(type_)) for name, type_ in columns.items()]
    rows = func.unnest(*arrays).table_valued(*columns, name="incoming")
    return rows.render_derived()


_new_events: Final = _incoming(
    uid=Uuid(),
    source=Text(),
    id=Text(),
    type=Text(),
    subject=Uuid(),
    time=DateTime(timezone=True),
    data=Text(),
    received_at=DateTime(timezone=True),
)
_store: Final = (
    insert(events)
    .from_select(
        [column.name for column in events.c],
        select(
            *(
                cast(_new_events.c.data, JSONB)
                if column.name == "data"
                else _new_events.c[column.name]
                for column in events.c
            )
        ),
    )
    .on_conflict_do_nothing(index_elements=[events.c.source, events.c.id])
    .returning(events.c.source, events.c.id)
)

_tallies: Final = _incoming(
    subject=Uuid(),
    stored=BigInteger(),
    repeated=BigInteger(),
    failed=BigInteger(),
    first_at=DateTime(timezone=True),
    last_at=DateTime(timezone=True),
)
_counting = insert(subject_counts).from_select(
    [column.name for column in subject_counts.c],
    select(*(_tallies.c[column.name] for column in subject_counts.c)),
)
_count: Final = _counting.on_conflict_do_update(
    index_elements=[subject_counts.c.subject],
    set_={
        "stored": subject_counts.c.stored + _counting.excluded.stored,
        "repeated": subject_counts.c.repeated + _counting.excluded.repeated,
        "failed": subject_counts.c.failed + _counting.excluded.failed,
        # LEAST and GREATEST pass over NULL.
        "first_at": func.least(subject_counts.c.first_at, _counting.excluded.first_at),
        "last_at": func.greatest(subject_counts.c.last_at, _counting.excluded.last_at),
    },
)


class SqlIngest:
    """Stores incoming events, each once, and counts what happened per subject."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def store(self, incoming: Mapping[Key, StreamEvent]) -> set[Key]:
        """Store the events that are not there yet, and return which these are.

        Rows are written in the order of their keys, so that workers storing the same
        events wait for each other instead of deadlocking.
        """
        rows = [incoming[key] for key in sorted(incoming)]
        stored = await self._session.execute(
            _store,
            {
                "uid": [uuid7() for _ in rows],
                "source": [row.source for row in rows],
                "id": [row.id for row in rows],
                "type": [row.type for row in rows],
                "subject": [UUID(row.subject) for row in rows],
                "time": [row.time for row in rows],
                "data": [orjson.dumps(row.data).decode() for row in rows],
                "received_at": [row.received_at for row in rows],
            },
        )
        return {(row.source, row.id) for row in stored}

    async def count(self, tallies: Mapping[UUID, Tally]) -> None:
        """Add to the subjects' counts, in the order of their keys."""
        subjects = sorted(tallies)
        rows = [tallies[subject] for subject in subjects]
        await self._session.execute(
            _count,
            {
                "subject": subjects,
                "stored": [row.stored for row in rows],
                "repeated": [row.repeated for row in rows],
                "failed": [row.failed for row in rows],
                "first_at": [row.first_at for row in rows],
                "last_at": [row.last_at for row in rows],
            },
        )

    async def keep_failed(
        self, event: StreamEvent, *, batch_id: UUID, error: str, digest: str
    ) -> bool:
        """Keep an event that failed; return whether it is the first time it did."""
        failing = insert(failed_events).values(
            uid=uuid7(),
            source=event.source,
            id=event.id,
            type=event.type,
            subject=event.subject,
            time=event.time,
            data=orjson.dumps(event.data).decode(),
            received_at=event.received_at,
            batch_id=batch_id,
            error=error,
            traceback_digest=digest,
            attempts=1,
            failed_at=func.now(),
        )
        statement = failing.on_conflict_do_update(
            index_elements=[failed_events.c.source, failed_events.c.id],
            set_={
                "attempts": failed_events.c.attempts + 1,
                "batch_id": failing.excluded.batch_id,
                "error": failing.excluded.error,
                "traceback_digest": failing.excluded.traceback_digest,
                "failed_at": failing.excluded.failed_at,
            },
        ).returning(failed_events.c.attempts)
        attempts: int = (await self._session.execute(statement)).scalar_one()
        return attempts == 1


class SqlKnownRobots:
    """Robots in PostgreSQL, read in a transaction of their own when asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self, organisation_id: UUID, *, among: Collection[UUID]
    ) -> frozenset[UUID]:
        """Return which of these robots that organisation runs or made."""
        statement = select(robots.c.robot_id).where(
            robots.c.robot_id.in_(among),
            or_(
                robots.c.operator_id == organisation_id,
                robots.c.manufacturer_id == organisation_id,
            ),
        )
        async with self._database.read() as session:
            return frozenset((await session.scalars(statement)).all())


class SqlStoredEvents:
    """Processed events in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def telemetry(
        self, robot_id: UUID, *, start: datetime, end: datetime
    ) -> Sequence[StoredEvent]:
        """Return a robot's telemetry from ``start`` to ``end``, both included."""
        statement = select(
            events.c.source,
            events.c.id,
            events.c.type,
            events.c.subject,
            events.c.time,
            events.c.data,
        ).where(
            events.c.subject == robot_id,
            events.c.type == TELEMETRY_TYPE,
            events.c.time.between(start, end),
        )
        rows = (await self._session.execute(statement)).all()
        return [StoredEvent(*row) for row in rows]


class SqlExtractions:
    """Requests for evidence in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, extraction: Extraction) -> None:
        """Keep a new one; one that is known already stays as it is."""
        if await self._session.get(Extraction, extraction.id) is None:
            self._session.add(extraction)

    async def next_due(
        self, *, at: datetime, among: Collection[UUID]
    ) -> Extraction | None:
        """Return one to be done, locked; skip what others hold."""
        statement = (
            select(Extraction)
            .where(extractions.c.done_at.is_(None), extractions.c.due_at <= at)
            .order_by(extractions.c.due_at, extractions.c.request_id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if among:
            statement = statement.where(extractions.c.request_id.in_(among))
        return (await self._session.scalars(statement)).first()


async def remember_robot(
    session: WriteSession, robot_id: UUID, *, operator_id: UUID, manufacturer_id: UUID
) -> None:
    """Keep whose a robot is."""
    copy = insert(robots).values(
        robot_id=robot_id, operator_id=operator_id, manufacturer_id=manufacturer_id
    )
    await session.execute(copy.on_conflict_do_nothing())
