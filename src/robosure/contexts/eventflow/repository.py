"""Eventflow's ports over SQL, and the statements that store events by thousands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Integer,
    SmallInteger,
    Text,
    Uuid,
    bindparam,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from robosure.contexts.eventflow.domain import Extraction, StoredEvent
from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.eventflow.tables import (
    batches,
    events,
    extractions,
    robots,
    subject_counts,
)
from robosure.platform.database import Database, WriteSession
from robosure.platform.database.rows import incoming
from robosure.platform.streams import Batch, Incoming, StreamEvent

_PartKey = tuple[UUID, int]
"""Which part of a batch: the batch's id and the partition."""


@dataclass(slots=True)
class Tally:
    """What happened to a subject's events in one transaction."""

    stored: int = 0
    repeated: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def count(self, event: StreamEvent, *, new: bool) -> None:
        """Count an event as stored, or as a repeat."""
        if not new:
            self.repeated += 1
            return
        self.stored += 1
        if self.first_at is None or event.time < self.first_at:
            self.first_at = event.time
        if self.last_at is None or event.time > self.last_at:
            self.last_at = event.time


@dataclass(slots=True)
class PartTally:
    """A part of a batch, and what happened to its events."""

    batch: Batch
    part: int
    first_at: datetime
    last_at: datetime
    events: int = 0
    stored: int = 0

    @classmethod
    def beginning(cls, item: Incoming) -> PartTally:
        """Begin with the part's first event, counting none yet."""
        return cls(item.batch, item.part, item.event.time, item.event.time)

    def count(self, event: StreamEvent) -> None:
        """Count an event, stored or not."""
        self.events += 1
        if event.time < self.first_at:
            self.first_at = event.time
        elif event.time > self.last_at:
            self.last_at = event.time


# PostgreSQL reads the events' JSON itself, a thousand at a time: several times faster
# than to take them apart here and to send it every value by itself.
_store: Final = text(
    """
    INSERT INTO eventflow.events (
      key, day, source, id, type, subject, time, data, received_at, batch_id, part
    )
    SELECT
      e.key, CAST(e.time AT TIME ZONE 'UTC' AS date), e.source, e.id, e.type, e.subject,
      e.time, e.data, (CAST(:received_at AS timestamptz[]))[e.batch],
      (CAST(:batch_ids AS uuid[]))[e.batch], (CAST(:parts AS smallint[]))[e.batch]
    FROM ROWS FROM (
      json_to_recordset(CAST(:events AS json)) AS (
        source text, id text, type text, subject uuid, "time" timestamptz, data jsonb
      ),
      unnest(CAST(:keys AS uuid[])),
      unnest(CAST(:batches AS integer[]))
    ) AS e (source, id, type, subject, time, data, key, batch)
    -- In one order, so that two who store the same wait for each other in turn.
    ORDER BY e.key
    ON CONFLICT DO NOTHING
    """
)
# Asked only where something was stored before, which is rare.
_stored_here: Final = text(
    """
    SELECT key FROM eventflow.events
    WHERE key = ANY (CAST(:keys AS uuid[])) AND day = ANY (CAST(:days AS date[]))
      AND xmin = CAST(pg_current_xact_id() AS xid)
    """
)


_tallies: Final = incoming(
    subject=Uuid(),
    stored=BigInteger(),
    repeated=BigInteger(),
    first_at=DateTime(timezone=True),
    last_at=DateTime(timezone=True),
)
_counting = insert(subject_counts).from_select(
    [column.name for column in _tallies.c],
    select(*_tallies.c),
)
_count: Final = _counting.on_conflict_do_update(
    index_elements=[subject_counts.c.subject],
    set_={
        "stored": subject_counts.c.stored + _counting.excluded.stored,
        "repeated": subject_counts.c.repeated + _counting.excluded.repeated,
        # LEAST and GREATEST pass over NULL.
        "first_at": func.least(subject_counts.c.first_at, _counting.excluded.first_at),
        "last_at": func.greatest(subject_counts.c.last_at, _counting.excluded.last_at),
    },
)


_parts: Final = incoming(
    batch_id=Uuid(),
    part=SmallInteger(),
    day=Date(),
    received_at=DateTime(timezone=True),
    processed_at=DateTime(timezone=True),
    correlation_id=Text(),
    principal=Uuid(),
    events=Integer(),
    stored=Integer(),
    repeated=Integer(),
    first_at=DateTime(timezone=True),
    last_at=DateTime(timezone=True),
)
_record: Final = (
    insert(batches)
    .from_select([column.name for column in _parts.c], select(*_parts.c))
    .on_conflict_do_nothing()
)
_done: Final = select(batches.c.batch_id, batches.c.part).where(
    batches.c.batch_id == func.any(bindparam("ids", type_=ARRAY(Uuid()))),
    batches.c.day == func.any(bindparam("days", type_=ARRAY(Date()))),
)


class ConcurrentlyStoredError(ConnectionError):
    """Another worker stored the same batch meanwhile; it is to be looked at again."""


class SqlIngest:
    """Stores incoming events, each once, and counts what happened per subject."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def parts_done(self, parts: Collection[PartTally]) -> set[_PartKey]:
        """Return which of these parts had their effects before."""
        found = await self._session.execute(
            _done,
            {
                "ids": list({part.batch.batch_id for part in parts}),
                "days": list({_day(part.batch.received_at) for part in parts}),
            },
        )
        return {(row.batch_id, row.part) for row in found}

    async def store(self, arrived: Sequence[Incoming]) -> set[UUID] | None:
        """Store the events that are not there yet.

        Returns:
            The keys of those that were not; None if that is all of them.
        """
        numbers: dict[_PartKey, int] = {}
        heads: list[tuple[Batch, int]] = []
        of_each: list[int] = []
        for each in arrived:
            part = each.batch.batch_id, each.part
            number = numbers.get(part)
            if number is None:
                heads.append((each.batch, each.part))
                number = numbers[part] = len(heads)
            of_each.append(number)
        keys = [each.event.key for each in arrived]
        cloud_events = orjson.dumps([each.cloud_event for each in arrived])
        stored: Any = await self._session.execute(
            _store,
            {
                "events": cloud_events.decode(),
                "keys": keys,
                "batches": of_each,
                "received_at": [batch.received_at for batch, _ in heads],
                "batch_ids": [batch.batch_id for batch, _ in heads],
                "parts": [part for _, part in heads],
            },
        )
        if stored.rowcount == len(keys):
            return None
        days = {_day(each.event.time) for each in arrived}
        here = await self._session.execute(
            _stored_here, {"keys": keys, "days": list(days)}
        )
        return set(here.scalars())

    async def record(self, parts: Collection[PartTally]) -> None:
        """Remember that these parts had their effects.

        Raises:
            ConcurrentlyStoredError: one of them had, in another transaction.
        """
        now = datetime.now(UTC)
        recorded: Any = await self._session.execute(
            _record,
            {
                "batch_id": [part.batch.batch_id for part in parts],
                "part": [part.part for part in parts],
                "day": [_day(part.batch.received_at) for part in parts],
                "received_at": [part.batch.received_at for part in parts],
                "processed_at": [now] * len(parts),
                "correlation_id": [part.batch.correlation_id for part in parts],
                "principal": [part.batch.principal for part in parts],
                "events": [part.events for part in parts],
                "stored": [part.stored for part in parts],
                "repeated": [part.events - part.stored for part in parts],
                "first_at": [part.first_at for part in parts],
                "last_at": [part.last_at for part in parts],
            },
        )
        if recorded.rowcount != len(parts):
            raise ConcurrentlyStoredError("another worker stored the same batch")

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
                "first_at": [row.first_at for row in rows],
                "last_at": [row.last_at for row in rows],
            },
        )


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


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
