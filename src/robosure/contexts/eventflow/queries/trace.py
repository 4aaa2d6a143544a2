"""The way of one event: received, processed or put aside, and what it caused."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, func, literal_column, select

from robosure.contexts.eventflow.queries.cursor import EventPage
from robosure.contexts.eventflow.queries.events import EventQueries
from robosure.contexts.eventflow.queries.search import EventFilter
from robosure.contexts.eventflow.queries.sight import Sight
from robosure.contexts.eventflow.schemas import (
    HandlingOut,
    ProcessingOut,
    ReceptionOut,
    TraceFactOut,
    TraceLetterOut,
    TraceOut,
)
from robosure.contexts.eventflow.tables import batches
from robosure.contexts.risk.events import RobotScored
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.events import type_of
from robosure.platform.http import Principal
from robosure.platform.outbox import outbox
from robosure.platform.streams.bus import INGEST_GROUP
from robosure.platform.streams.inbox import inbox
from robosure.platform.streams.letters import dead_letters

_FACTS: Final = 100
_NEXT_FACTS: Final = 20
_robot_id: Final[Any] = literal_column("payload ->> 'robot_id'", Text)
"""Whom a fact is about, as the index has it."""


class _Letters(NamedTuple):
    newest: Any
    all: list[TraceLetterOut]


class TraceQueries:
    """Ways of events that one principal may see."""

    def __init__(
        self, session: ReadSession, principal: Principal, *, today: date
    ) -> None:
        self._session = session
        self._sight = Sight(principal)
        self._events = EventQueries(session, principal, today=today)

    async def trace(self, uid: UUID) -> TraceOut:
        """Follow one event, stored or put aside.

        Raises:
            NotFound: there is none, or not for the one who asks.
        """
        letters = await self._letters_of_event(uid)
        found = await self._events.find(EventPage(1), chosen=EventFilter(uid=uid))
        if found.rows:
            return await self._stored(found.rows[0], letters)
        if letters is None:
            raise NotFound("event_not_found", uid=str(uid))
        return await self._put_aside(uid, letters)

    async def _stored(self, event: Any, letters: _Letters | None) -> TraceOut:
        part = await self._part(event)
        correlation_id = part.correlation_id if part else None
        return TraceOut(
            uid=event.key,
            source=event.source,
            id=event.id,
            type=event.type,
            subject=str(event.subject),
            time=event.time,
            outcome="stored",
            received=ReceptionOut(
                at=event.received_at,
                batch_id=event.batch_id,
                part=event.part,
                principal=part.principal if part else None,
                correlation_id=correlation_id,
            ),
            processed=_processing(part) if part else None,
            dead_letters=letters.all if letters else [],
            facts=await self._facts(correlation_id, str(event.subject)),
            next_facts=await self._next_facts(part, str(event.subject)),
        )

    async def _put_aside(self, uid: UUID, letters: _Letters) -> TraceOut:
        letter = letters.newest
        batch = json.loads(letter.content)
        (event,) = batch["events"]
        return TraceOut(
            uid=uid,
            source=letter.source,
            id=event["id"],
            type=letter.type,
            subject=letter.subject,
            time=letter.occurred_at,
            outcome="discarded" if letter.status == "discarded" else "failed",
            received=ReceptionOut(
                at=datetime.fromisoformat(batch["received_at"]),
                batch_id=UUID(batch["batch_id"]),
                part=batch["part"],
                principal=batch["principal"],
                correlation_id=letter.correlation_id,
            ),
            processed=None,
            dead_letters=letters.all,
            facts=await self._facts(letter.correlation_id, letter.subject),
            next_facts=[],
        )

    async def _part(self, event: Any) -> Any:
        """Return how the event's part of its batch was processed."""
        statement = select(batches).where(
            batches.c.batch_id == event.batch_id,
            batches.c.part == event.part,
            batches.c.day == func.date(func.timezone("UTC", event.received_at)),
        )
        return (await self._session.execute(statement)).one_or_none()

    async def _letters_of_event(self, uid: UUID) -> _Letters | None:
        statement = select(dead_letters).where(
            dead_letters.c.consumer == INGEST_GROUP,
            dead_letters.c.event_id == str(uid),
            self._sight.of_text(dead_letters.c.subject),
        )
        rows = (await self._session.execute(statement)).all()
        return _Letters(rows[0], [_letter(row) for row in rows]) if rows else None

    async def _facts(
        self, correlation_id: str | None, subject: str
    ) -> list[TraceFactOut]:
        """Return what was told in the same course of events.

        Who does not see all sees what is about the event's robot: a worker processes
        the batches of several senders at once.
        """
        if correlation_id is None:
            return []
        statement = select(outbox).where(outbox.c.correlation_id == correlation_id)
        if not self._sight.all:
            statement = statement.where(_robot_id == subject)
        facts = await self._session.execute(
            statement.order_by(outbox.c.position).limit(_FACTS)
        )
        return await self._followed(facts.all())

    async def _next_facts(self, part: Any, subject: str) -> list[TraceFactOut]:
        """Return what was told first about the event's robot once it was processed.

        Scores are found later, of many events at once, so nothing else leads to them.
        Who does not see all is told of scores alone: whoever sees a robot's events sees
        those, but not its policies and claims, which others may have made.
        """
        if part is None:
            return []
        statement = select(outbox).where(
            _robot_id == subject,
            outbox.c.occurred_at >= part.processed_at,
            outbox.c.correlation_id.is_distinct_from(part.correlation_id),
        )
        if not self._sight.all:
            statement = statement.where(outbox.c.type == type_of(RobotScored))
        facts = await self._session.execute(
            statement.order_by(outbox.c.occurred_at, outbox.c.position).limit(
                _NEXT_FACTS
            )
        )
        first: dict[str, Any] = {}
        for fact in facts:
            first.setdefault(fact.type, fact)
        return await self._followed(list(first.values()))

    async def _followed(self, facts: Sequence[Any]) -> list[TraceFactOut]:
        """Say of each fact who handled it, and who failed to."""
        ids = [fact.event_id for fact in facts]
        handled = await self._handled(ids)
        failed = await self._failed(ids)
        return [
            TraceFactOut(
                event_id=fact.event_id,
                type=fact.type,
                occurred_at=fact.occurred_at,
                published_at=fact.published_at,
                handled=handled[fact.event_id],
                dead_letters=failed[fact.event_id],
            )
            for fact in facts
        ]

    async def _handled(self, ids: Sequence[UUID]) -> dict[UUID, list[HandlingOut]]:
        statement = (
            select(inbox)
            .where(
                inbox.c.consumer.in_(_each_of(inbox.c.consumer)),
                inbox.c.event_id.in_(ids),
            )
            .order_by(inbox.c.processed_at, inbox.c.consumer)
        )
        handled: defaultdict[UUID, list[HandlingOut]] = defaultdict(list)
        for row in await self._session.execute(statement):
            done = HandlingOut(consumer=row.consumer, at=row.processed_at)
            handled[row.event_id].append(done)
        return handled

    async def _failed(self, ids: Sequence[UUID]) -> dict[UUID, list[TraceLetterOut]]:
        statement = (
            select(dead_letters)
            .where(
                dead_letters.c.consumer.in_(_each_of(dead_letters.c.consumer)),
                dead_letters.c.event_id.in_([str(each) for each in ids]),
            )
            .order_by(dead_letters.c.id)
        )
        failed: defaultdict[UUID, list[TraceLetterOut]] = defaultdict(list)
        for row in await self._session.execute(statement):
            failed[UUID(row.event_id)].append(_letter(row))
        return failed


def _each_of(consumer: ColumnElement[str]) -> Select[str]:
    """Return the few consumers there are, hopping over the index that they begin."""
    first = select(cast(func.min(consumer), Text).label("consumer"))
    hops = first.cte("consumers", recursive=True)
    following = (
        select(cast(func.min(consumer), Text))
        .where(cast(consumer, Text) > hops.c.consumer)
        .scalar_subquery()
    )
    hops = hops.union_all(select(following).where(hops.c.consumer.is_not(None)))
    return select(hops.c.consumer).where(hops.c.consumer.is_not(None))


def _letter(row: Any) -> TraceLetterOut:
    return TraceLetterOut.model_validate(row)


def _processing(part: Any) -> ProcessingOut:
    took = part.processed_at - part.received_at
    return ProcessingOut(
        at=part.processed_at,
        latency_ms=round(took.total_seconds() * 1000, 3),
        events=part.events,
        stored=part.stored,
        repeated=part.repeated,
    )
