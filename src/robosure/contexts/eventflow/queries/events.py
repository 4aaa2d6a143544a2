"""Events, listed and read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, func, select

from robosure.contexts.eventflow.queries.cursor import EventPage, Place
from robosure.contexts.eventflow.queries.planning import planned_once
from robosure.contexts.eventflow.queries.search import (
    TRIED,
    EventFilter,
    plan,
)
from robosure.contexts.eventflow.queries.sight import Sight
from robosure.contexts.eventflow.schemas import EventOut
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, Principal


class Found(NamedTuple):
    """Events in their order, and after which place there may be more."""

    rows: Sequence[Row[*tuple[Any, ...]]]
    more_after: Place | None


class EventQueries:
    """Events that one principal may see."""

    def __init__(
        self, session: ReadSession, principal: Principal, *, today: date
    ) -> None:
        """Prepare.

        Args:
            session: to read on.
            principal: who asks.
            today: where most events are; any day gives the same answers.
        """
        self._session = session
        self._sight = Sight(principal)
        self._today = today

    async def page(self, page: EventPage, *, chosen: EventFilter) -> Page[EventOut]:
        """List events, the newest first."""
        found = await self.find(page, chosen=chosen)
        return Page(
            items=[EventOut(**shown(row)) for row in found.rows],
            next_cursor=found.more_after.encode() if found.more_after else None,
        )

    async def find(self, page: EventPage, *, chosen: EventFilter) -> Found:
        """Find a page of events, the newest first."""
        search = await plan(self._session, self._sight, chosen)
        if search is None:
            return Found([], None)
        if chosen.key is not None:
            async with planned_once(self._session):
                same = (await self._session.execute(search.everywhere())).all()
            fit = [row for row in same if _is_in(row, page, chosen)]
            kept = fit[: page.limit]
            more = len(fit) > page.limit
            return Found(kept, _place_of(kept[-1]) if more else None)
        rows: list[Row[*tuple[Any, ...]]] = []
        to_try = max(TRIED, page.limit + 1)
        for span in search.spans(page.after, today=self._today):
            wanted = page.limit + 1 - len(rows)
            limit = to_try if search.tried else wanted
            candidates = search.candidates(span, page.after, limit=limit)
            found = search.narrowed(candidates, limit=wanted)
            rows += (await self._session.execute(found)).all()
            if len(rows) > page.limit:
                kept = rows[: page.limit]
                return Found(kept, _place_of(kept[-1]))
            if search.tried:
                to_try -= await self._how_many(candidates)
                if to_try <= 0:
                    last = candidates.offset(limit - 1).limit(1)
                    row = (await self._session.execute(last)).one()
                    return Found(rows, _place_of(row))
        return Found(rows, None)

    async def event(self, uid: UUID) -> EventOut:
        """Return one.

        Raises:
            NotFound: there is none, or not for the one who asks.
        """
        found = await self.find(EventPage(1), chosen=EventFilter(uid=uid))
        if not found.rows:
            raise NotFound("event_not_found", uid=str(uid))
        return EventOut(**shown(found.rows[0]))

    async def _how_many(self, candidates: Any) -> int:
        counting = select(func.count()).select_from(candidates.subquery())
        return (await self._session.execute(counting)).scalar_one()


def shown(row: Any) -> dict[str, Any]:
    """Return what is shown of a stored event: the fields of ``EventOut``."""
    return {
        "uid": row.key,
        "source": row.source,
        "id": row.id,
        "type": row.type,
        "subject": row.subject,
        "time": row.time,
        "data": row.data,
        "received_at": row.received_at,
        "batch_id": row.batch_id,
    }


def _is_in(row: Any, page: EventPage, chosen: EventFilter) -> bool:
    """Whether an event is in the page, and within the times that are asked for."""
    return (
        (page.after is None or _place_of(row) < page.after)
        and (chosen.since is None or row.time >= chosen.since)
        and (chosen.until is None or row.time < chosen.until)
    )


def _place_of(row: Any) -> Place:
    return Place(row.time, row.key)
