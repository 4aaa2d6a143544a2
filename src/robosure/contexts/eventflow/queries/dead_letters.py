"""Dead letters, as the one who asks may see them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from robosure.contexts.eventflow.queries.sight import Sight
from robosure.contexts.eventflow.schemas.dead_letters import (
    DeadLetterItem,
    DeadLetterKind,
    DeadLetterKinds,
    DeadLetterOut,
)
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, Principal, matching, paginate
from robosure.platform.streams.letters import OPEN, VERSION, dead_letters


@dataclass(frozen=True)
class DeadLetterFilter:
    """Which dead letters to list; None does not ask."""

    status: str | None = None
    consumer: str | None = None
    type: str | None = None
    subject: str | None = None
    traceback_digest: str | None = None
    correlation_id: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Say it in SQL."""
        return matching(
            *(
                (dead_letters.c[name], getattr(self, name))
                for name in self.__dataclass_fields__
            )
        )


class DeadLetterQueries:
    """An insurer sees all; others those of their robots' events."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._seen = Sight(principal).of_text(dead_letters.c.subject)

    async def letters(
        self, cursor: PageRequest, *, chosen: DeadLetterFilter
    ) -> Page[DeadLetterItem]:
        """List them, the last first to fail first."""
        return await paginate(
            self._session,
            select(dead_letters).where(self._seen, *chosen.conditions()),
            by=dead_letters.c.id,
            cursor=cursor,
            model=DeadLetterItem,
        )

    async def letter(self, letter_id: UUID) -> tuple[DeadLetterOut, int]:
        """Return one, and its version.

        Raises:
            NotFound: there is none, or not for the one who asks.
        """
        statement = select(dead_letters, VERSION).where(
            dead_letters.c.id == letter_id, self._seen
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("dead_letter_not_found", letter_id=str(letter_id))
        return DeadLetterOut.from_row(row), row.version

    async def kinds(self) -> DeadLetterKinds:
        """Count open ones by what went wrong, the most first."""
        kind = (
            dead_letters.c.consumer,
            dead_letters.c.type,
            dead_letters.c.traceback_digest,
        )
        letters = func.count().label("letters")
        statement = (
            select(
                *kind,
                func.max(dead_letters.c.error).label("error"),
                letters,
                func.min(dead_letters.c.first_failed_at).label("oldest_at"),
            )
            .where(self._seen, dead_letters.c.status.in_(OPEN))
            .group_by(*kind)
            .order_by(letters.desc(), *kind)
        )
        rows = (await self._session.execute(statement)).all()
        return DeadLetterKinds(items=[DeadLetterKind.model_validate(r) for r in rows])
