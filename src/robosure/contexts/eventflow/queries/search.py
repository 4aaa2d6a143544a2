"""Which events are asked for, and by which index they are found.

Every list is in the order of the events' times, the newest first, and each way to ask
has an index that gives that order, or so few events that sorting them is nothing:

======================================  ==============================================
asked by                                found by
======================================  ==============================================
``uid``; subject, source and id         the key
correlation id                          its batches, and when these were received
subject; source ``/robots/{id}``        subject and time
nothing, by who sees up to 200 robots   subject and time, for each of the robots
nothing, by who sees more or all        time
======================================  ==============================================

What else is asked is tried on the events found. So that a rare one among many cannot
take for ever, a request tries :data:`TRIED` events at most; it may answer with less
than a page, and where to go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Uuid,
    bindparam,
    func,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.util import ClauseAdapter

from robosure.contexts.eventflow.queries.cursor import Place
from robosure.contexts.eventflow.queries.planning import planned_once
from robosure.contexts.eventflow.queries.sight import Sight
from robosure.contexts.eventflow.queries.spans import Span, spans
from robosure.contexts.eventflow.tables import batches, events, subject_counts
from robosure.platform.database import ReadSession
from robosure.platform.streams.ingest import key_of

TRIED: Final = 10_000
_ROBOTS_ASKED: Final = 200
_PARTS_ASKED: Final = 2_000
_SAME_KEY: Final = 1_000
_OF_ROBOT: Final = "/robots/"
_EVER: Final = (
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
)


@dataclass(frozen=True)
class EventFilter:
    """Which events to list; None does not ask.

    Attributes:
        uid: ours.
        id: the sender's.
        correlation_id: of the request with which they came.
        since: at or after this time.
        until: before this time.
    """

    uid: UUID | None = None
    type: str | None = None
    subject: UUID | None = None
    source: str | None = None
    id: str | None = None
    correlation_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def robot(self) -> UUID | None:
        """The one subject that all have; a robot's own source says it too."""
        return self.subject or _robot_of(self.source)

    @property
    def key(self) -> UUID | None:
        """The one key that all have, if it follows from what is asked."""
        if self.uid is None and self.robot and self.source and self.id:
            return key_of(str(self.robot), self.source, self.id)
        return self.uid

    def conditions(self) -> list[ColumnElement[bool]]:
        """Say in SQL what is asked besides times and batches."""
        asked = {
            events.c.key: self.key,
            events.c.type: self.type,
            events.c.subject: self.subject,
            events.c.source: self.source,
            events.c.id: self.id,
        }
        return [column == value for column, value in asked.items() if value is not None]


@dataclass(frozen=True)
class Search:
    """How the events that are asked for are found.

    Attributes:
        found_by: conditions that the index answers, or that leave few events.
        tried: conditions tried on each event that was found.
        robots: whose events are found, each by itself; None for no such list.
        first: no event is earlier.
        last: no event is later.
    """

    chosen: EventFilter
    found_by: Sequence[ColumnElement[bool]] = ()
    tried: Sequence[ColumnElement[bool]] = ()
    robots: Sequence[UUID] | None = None
    first: datetime = _EVER[0]
    last: datetime = _EVER[1]

    def everywhere(self) -> Select[*tuple[Any, ...]]:
        """Find the event of a key, or what took it for its own on another day."""
        return _newest(select(events).where(*self.found_by), events, _SAME_KEY)

    def spans(self, after: Place | None, *, today: date) -> Iterator[Span]:
        """Return the days in which there may be events, the newest first."""
        first = max(self.first, self.chosen.since or self.first)
        last = min(self.last, self.chosen.until or self.last)
        if after is not None:
            last = min(last, after.time)
        return spans(_day(first), _day(last), today=today)

    def candidates(
        self, span: Span, after: Place | None, *, limit: int
    ) -> Select[*tuple[Any, ...]]:
        """Find events of a span, the newest first."""
        found = [*self._times(span, after), *self.found_by]
        if self.robots is None:
            return _newest(select(events).where(*found), events, limit)
        robots = (
            func.unnest(bindparam("robots", list(self.robots), ARRAY(Uuid)))
            .table_valued("id", name="robots")
            .render_derived()
        )
        of_one = select(events).where(events.c.subject == robots.c.id, *found)
        each = _newest(of_one, events, limit).lateral("each")
        together = robots.join(each, true())
        return _newest(select(each).select_from(together), each, limit)

    def narrowed(
        self, candidates: Select[*tuple[Any, ...]], *, limit: int
    ) -> Select[*tuple[Any, ...]]:
        """Return those candidates that pass, the newest first."""
        found = candidates.subquery("found")
        conditions = [_on(condition, found) for condition in self.tried]
        return _newest(select(found).where(*conditions), found, limit)

    def _times(self, span: Span, after: Place | None) -> list[ColumnElement[bool]]:
        # The day chooses partitions; the time says the same to their indexes.
        conditions = [
            events.c.day.between(span.first, span.last),
            events.c.time >= _midnight(span.first),
        ]
        if span.last < date.max:
            conditions.append(events.c.time < _midnight(span.last + timedelta(days=1)))
        if self.chosen.since is not None:
            conditions.append(events.c.time >= self.chosen.since)
        if self.chosen.until is not None:
            conditions.append(events.c.time < self.chosen.until)
        if after is not None:
            # The first says to the index what the second says exactly.
            conditions += [
                events.c.time <= after.time,
                tuple_(events.c.time, events.c.key) < tuple_(after.time, after.key),
            ]
        return conditions


async def plan(
    session: ReadSession, sight: Sight, chosen: EventFilter
) -> Search | None:
    """Decide how to find the events; None if there can be none."""
    robot = chosen.robot
    if robot is not None and not await sight.sees(session, robot):
        return None
    asked = chosen.conditions()
    seen = [] if sight.all or robot is not None else [sight.of(events.c.subject)]
    if chosen.correlation_id is not None:
        return await _by_correlation(session, chosen, [*asked, *seen])
    if chosen.key is not None:
        return Search(chosen, found_by=[*asked, *seen])
    if robot is not None:
        search = Search(chosen, found_by=[events.c.subject == robot], tried=asked)
        return await _between_counted(session, search, [robot])
    if not sight.all:
        robots = await sight.robots(session, limit=_ROBOTS_ASKED + 1)
        if len(robots) <= _ROBOTS_ASKED:
            search = Search(chosen, tried=asked, robots=robots)
            return await _between_counted(session, search, robots)
    return Search(chosen, tried=[*asked, *seen])


async def _between_counted(
    session: ReadSession, search: Search, robots: Sequence[UUID]
) -> Search | None:
    """Look only where the robots' first and last events are."""
    statement = select(
        func.min(subject_counts.c.first_at), func.max(subject_counts.c.last_at)
    ).where(subject_counts.c.subject.in_(robots))
    first, last = (await session.execute(statement)).one()
    return None if first is None else replace(search, first=first, last=last)


async def _by_correlation(
    session: ReadSession,
    chosen: EventFilter,
    conditions: Sequence[ColumnElement[bool]],
) -> Search | None:
    statement = (
        select(
            batches.c.batch_id,
            batches.c.received_at,
            batches.c.first_at,
            batches.c.last_at,
        )
        .where(batches.c.correlation_id == chosen.correlation_id)
        .order_by(batches.c.position.desc())
        .limit(_PARTS_ASKED)
    )
    async with planned_once(session):
        parts = (await session.execute(statement)).all()
    if not parts:
        return None
    came = [
        events.c.batch_id.in_({part.batch_id for part in parts}),
        events.c.received_at.in_({part.received_at for part in parts}),
    ]
    return Search(
        chosen,
        found_by=[*came, *conditions],
        first=min(part.first_at for part in parts),
        last=max(part.last_at for part in parts),
    )


def _newest(
    statement: Select[*tuple[Any, ...]], of: Any, limit: int
) -> Select[*tuple[Any, ...]]:
    return statement.order_by(of.c.time.desc(), of.c.key.desc()).limit(limit)


def _on(condition: ColumnElement[bool], found: Any) -> ColumnElement[bool]:
    """Ask the same of the rows that were found."""
    adapted: ColumnElement[bool] = ClauseAdapter(found).traverse(condition)
    return adapted


def _robot_of(source: str | None) -> UUID | None:
    """Return whose own source it is; see ``Voice.objection`` for why it tells."""
    if source is None or not source.startswith(_OF_ROBOT):
        return None
    try:
        robot = UUID(source.removeprefix(_OF_ROBOT))
    except ValueError:
        return None
    return robot if source == f"{_OF_ROBOT}{robot}" else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
