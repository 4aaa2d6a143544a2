"""What one principal may see: an insurer all, others what their robots sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, or_, select, true

from robosure.contexts.eventflow.tables import robots
from robosure.platform.database import ReadSession
from robosure.platform.http import Principal


class Sight:
    """The robots whose events a principal sees: those it runs or made, or all."""

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    @property
    def all(self) -> bool:
        """Whether every robot's events are seen."""
        principal = self._principal
        return principal.organisation_kind == "insurer" and principal.robot_id is None

    def of(self, subject: ColumnElement[Any]) -> ColumnElement[bool]:
        """Say in SQL that a subject is seen."""
        return true() if self.all else subject.in_(self._robots())

    def of_text(self, subject: ColumnElement[Any]) -> ColumnElement[bool]:
        """Say in SQL that a subject is seen that is kept as text."""
        if self.all:
            return true()
        seen = self._robots().subquery()
        return subject.in_(select(cast(seen.c.robot_id, Text)))

    async def sees(self, session: ReadSession, subject: UUID) -> bool:
        """Whether a subject's events are seen."""
        if self.all:
            return True
        asked = self._robots().where(robots.c.robot_id == subject)
        return (await session.execute(asked)).first() is not None

    async def robots(self, session: ReadSession, *, limit: int) -> Sequence[UUID]:
        """Return robots whose events are seen, of one who does not see all."""
        found = await session.execute(self._robots().limit(limit))
        return found.scalars().all()

    def _robots(self) -> Select[UUID]:
        bound, own = self._principal.robot_id, self._principal.organisation_id
        seen = select(robots.c.robot_id)
        if self._principal.organisation_kind != "insurer":
            related = or_(robots.c.operator_id == own, robots.c.manufacturer_id == own)
            seen = seen.where(related)
        return seen if bound is None else seen.where(robots.c.robot_id == bound)
