"""Eventflow's read side: events, counts and failures, as the one who asks may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, exists, or_, select, true

from robosure.contexts.eventflow.schemas import (
    EVENT_TYPES,
    CountsOut,
    EventOut,
    EventTypeOut,
    EventTypesOut,
    FailedEventOut,
)
from robosure.contexts.eventflow.tables import (
    events,
    failed_events,
    robots,
    subject_counts,
)
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, Principal, paginate


@dataclass(frozen=True)
class EventFilter:
    """Which events to list; None does not ask.

    Attributes:
        since: at or after this time.
        until: before this time.
    """

    type: str | None = None
    subject: UUID | None = None
    source: str | None = None
    id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def narrow(self, statement: Select[Any]) -> Select[Any]:
        """Say it in SQL."""
        for name in ("type", "subject", "source", "id"):
            asked = getattr(self, name)
            if asked is not None:
                statement = statement.where(events.c[name] == asked)
        if self.since is not None:
            statement = statement.where(events.c.time >= self.since)
        if self.until is not None:
            statement = statement.where(events.c.time < self.until)
        return statement


class EventQueries:
    """What one principal may see: an insurer all, others what their robots sent."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal

    async def events(
        self, cursor: PageRequest, *, chosen: EventFilter
    ) -> Page[EventOut]:
        """List processed events, the last received first."""
        statement = chosen.narrow(select(events).where(self._sees(events.c.subject)))
        return await paginate(
            self._session, statement, by=events.c.uid, cursor=cursor, model=EventOut
        )

    async def event(self, uid: UUID) -> EventOut:
        """Return one.

        Raises:
            NotFound: there is none, or not for the one who asks.
        """
        statement = select(events).where(
            events.c.uid == uid, self._sees(events.c.subject)
        )
        row = (await self._session.execute(statement)).first()
        if row is None:
            raise NotFound("event_not_found", uid=str(uid))
        return EventOut.model_validate(row)

    async def counts(self, subject: UUID) -> CountsOut:
        """Return what happened to a subject's events; zeros where none came.

        Raises:
            NotFound: it is not the one's who asks.
        """
        allowed = select(true()).where(self._sees_subject(subject))
        if (await self._session.execute(allowed)).first() is None:
            raise NotFound("subject_not_found", subject=str(subject))
        statement = select(subject_counts).where(subject_counts.c.subject == subject)
        row = (await self._session.execute(statement)).first()
        if row is None:
            return CountsOut(
                subject=subject,
                stored=0,
                repeated=0,
                failed=0,
                first_at=None,
                last_at=None,
            )
        return CountsOut.model_validate(row)

    async def failed_events(
        self, cursor: PageRequest, *, subject: UUID | None
    ) -> Page[FailedEventOut]:
        """List events that could not be processed, the last first."""
        stored = exists().where(
            events.c.source == failed_events.c.source, events.c.id == failed_events.c.id
        )
        statement: Select[Any] = select(failed_events, stored.label("stored")).where(
            self._sees(failed_events.c.subject, as_text=True)
        )
        if subject is not None:
            statement = statement.where(failed_events.c.subject == str(subject))
        return await paginate(
            self._session,
            statement,
            by=failed_events.c.uid,
            cursor=cursor,
            model=FailedEventOut,
        )

    @property
    def _robots(self) -> Select[Any] | None:
        """The robots whose events are seen; None for all."""
        bound, own = self._principal.robot_id, self._principal.organisation_id
        if self._principal.organisation_kind == "insurer":
            if bound is None:
                return None
            return select(robots.c.robot_id).where(robots.c.robot_id == bound)
        related = or_(robots.c.operator_id == own, robots.c.manufacturer_id == own)
        seen = select(robots.c.robot_id).where(related)
        return seen if bound is None else seen.where(robots.c.robot_id == bound)

    def _sees(
        self, subject: ColumnElement[Any], *, as_text: bool = False
    ) -> ColumnElement[bool]:
        if self._robots is None:
            return true()
        seen = self._robots.subquery()
        known = cast(seen.c.robot_id, Text) if as_text else seen.c.robot_id
        return subject.in_(select(known))

    def _sees_subject(self, subject: UUID) -> ColumnElement[bool]:
        if self._robots is None:
            return true()
        return self._robots.where(robots.c.robot_id == subject).exists()


def event_types() -> EventTypesOut:
    """Return every type of event that is taken in."""
    return EventTypesOut(
        items=[
            EventTypeOut(
                name=event_type.name,
                description=event_type.description,
                schema_=dict(event_type.schema),
                sample=dict(event_type.sample),
            )
            for event_type in EVENT_TYPES.values()
        ]
    )
