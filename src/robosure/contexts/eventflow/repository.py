"""Eventflow's ports over SQL, and the statements that store events by thousands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Integer,
    SmallInteger,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import IntegrityError

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
from robosure.platform.streams import Batch, StreamEvent

_PartKey = tuple[UUID, int]
"""Which part of a batch: the batch's id and the partition."""


@dataclass(slots=True)
class Tally:
    """What happened to a subject's events in one transaction."""

    stored: int = 0
    repeated: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(slots=True)
class ArrivedPart:
    """A part of a batch, or a piece of it, whose events are to be stored.

    Attributes:
        number: the part's; the partition on which it came.
        size: how many events the part has.
        events: those that are here; at least one.
        times: of the events, as they were sent: PostgreSQL reads them itself.
        stored: how many of them were new.
    """

    batch: Batch
    number: int
    size: int
    events: list[StreamEvent] = field(default_factory=list[StreamEvent])
    times: list[str] = field(default_factory=list[str])
    stored: int = 0


# Each column of all events is one text, a line for each: several times cheaper than
# every value by itself, than arrays, whose every element is looked at by asyncpg, and
# than a JSON document, of which PostgreSQL makes a table of names and values per row.
# None of them can hold a line break. If one did, there would be a line too many: a row
# without a key, which is refused. Lines become rows in the list of what is selected,
# where they are taken one by one; functions after FROM would first write them down.
_STORE: Final = r"""
    INSERT INTO eventflow.events (
      key, day, source, id, type, subject, time, data, received_at, batch_id, part
    )
    SELECT
      e.key, CAST(e.time AT TIME ZONE 'UTC' AS date),
      e.source, e.id, e.type, e.subject, e.time, CAST(e.data AS json),
      (CAST(:received_at AS timestamptz[]))[e.part],
      (CAST(:batch_ids AS uuid[]))[e.part], (CAST(:numbers AS smallint[]))[e.part]
    FROM (
      SELECT
        unnest(CAST(string_to_array(:keys, E'\n') AS uuid[])) AS key,
        unnest(string_to_array(:sources, E'\n')) AS source,
        unnest(string_to_array(:ids, E'\n')) AS id,
        unnest(string_to_array(:types, E'\n')) AS type,
        unnest(CAST(string_to_array(:subjects, E'\n') AS uuid[])) AS subject,
        unnest(string_to_array(:data, E'\n')) AS data,
        unnest(CAST(string_to_array(:times, E'\n') AS timestamptz[])) AS time,
        unnest(CAST(string_to_array(:parts, E'\n') AS integer[])) AS part
    ) AS e
    -- In one order, so that two who store the same wait for each other in turn.
    ORDER BY 1
"""
# Much cheaper than to look for each row whether it is there; fails if one is.
_store_new: Final = text(_STORE)
_store_unless_there: Final = text(f"{_STORE} ON CONFLICT DO NOTHING RETURNING key")


_lines: Final = "\n".join

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

    async def parts_done(self, parts: Collection[ArrivedPart]) -> set[_PartKey]:
        """Return which of these parts had their effects before."""
        found = await self._session.execute(
            _done,
            {
                "ids": list({part.batch.batch_id for part in parts}),
                "days": list({_day(part.batch.received_at) for part in parts}),
            },
        )
        return {(row.batch_id, row.part) for row in found}

    async def store(
        self, parts: Sequence[ArrivedPart], *, repeats_likely: bool
    ) -> list[StreamEvent]:
        """Store the events that are not there yet, and count them in their parts.

        Args:
            parts: whose events.
            repeats_likely: whether to look for repeats at once, and not only after
                storing all as new has failed, which costs as much again.

        Returns:
            Those that were not.
        """
        events = [event for part in parts for event in part.events]
        columns = dict(zip(StreamEvent._fields, zip(*events, strict=True), strict=True))
        rows = {
            "keys": _lines(columns["key"]),
            "sources": _lines(columns["source"]),
            "ids": _lines(columns["id"]),
            "types": _lines(columns["type"]),
            "subjects": _lines(columns["subject"]),
            "data": b"\n".join(columns["content"]).decode(),
            "times": _lines([time for part in parts for time in part.times]),
            "parts": _lines(
                [
                    line
                    for number, part in enumerate(parts, 1)
                    for line in [str(number)] * len(part.events)
                ]
            ),
            "received_at": [part.batch.received_at for part in parts],
            "batch_ids": [part.batch.batch_id for part in parts],
            "numbers": [part.number for part in parts],
        }
        if not repeats_likely and await self._stored_as_new(rows):
            for part in parts:
                part.stored = len(part.events)
            return events
        stored = await self._session.execute(_store_unless_there, rows)
        left = {key.hex for key in stored.scalars()}
        new: list[StreamEvent] = []
        for part in parts:
            for event in part.events:
                if event.key in left:
                    left.remove(event.key)  # the next of this key repeats it
                    new.append(event)
                    part.stored += 1
        return new

    async def _stored_as_new(self, rows: Mapping[str, object]) -> bool:
        """Store all of the rows, or none if one of them is there."""
        try:
            async with self._session.begin_nested():
                await self._session.execute(_store_new, rows)
        except IntegrityError:
            return False
        return True

    async def record(self, parts: Sequence[ArrivedPart]) -> None:
        """Remember that these parts had their effects.

        Raises:
            ConcurrentlyStoredError: one of them had, in another transaction.
        """
        now = datetime.now(UTC)
        times = [[event.time for event in part.events] for part in parts]
        recorded: Any = await self._session.execute(
            _record,
            {
                "batch_id": [part.batch.batch_id for part in parts],
                "part": [part.number for part in parts],
                "day": [_day(part.batch.received_at) for part in parts],
                "received_at": [part.batch.received_at for part in parts],
                "processed_at": [now] * len(parts),
                "correlation_id": [part.batch.correlation_id for part in parts],
                "principal": [part.batch.principal for part in parts],
                "events": [len(part.events) for part in parts],
                "stored": [part.stored for part in parts],
                "repeated": [len(part.events) - part.stored for part in parts],
                "first_at": [min(moments) for moments in times],
                "last_at": [max(moments) for moments in times],
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
            robots.c.robot_id == any_(bindparam(None, list(among), ARRAY(Uuid))),
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
