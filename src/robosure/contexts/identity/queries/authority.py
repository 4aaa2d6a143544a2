"""Authority limits, as an insurer's people may see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Bundle

from robosure.contexts.identity.domain import LimitStatus
from robosure.contexts.identity.schemas.authority import AuthorityLimitOut
from robosure.contexts.identity.tables import authority_limits
from robosure.kernel.authority import Decision
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, Principal, matching, paginate


@dataclass(frozen=True)
class LimitFilter:
    """Which limits; None where it does not matter."""

    status: LimitStatus | None
    decision: Decision | None
    role: str | None
    user_id: UUID | None


class AuthorityQueries:
    """What one principal may see of authority limits: their own insurer's."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal

    async def limits(
        self, cursor: PageRequest, *, chosen: LimitFilter
    ) -> Page[AuthorityLimitOut]:
        """List limits, those proposed last first."""
        c = authority_limits.c
        filters = matching(
            (c.status, chosen.status),
            (c.decision, chosen.decision),
            (c.role, chosen.role),
            (c.user_id, chosen.user_id),
        )
        return await paginate(
            self._session,
            self._limits().where(*filters),
            by=c.id,
            cursor=cursor,
            model=AuthorityLimitOut,
        )

    async def limit(self, limit_id: UUID) -> AuthorityLimitOut:
        """Return one.

        Raises:
            NotFound: there is none, or it is another insurer's.
        """
        statement = self._limits().where(authority_limits.c.id == limit_id)
        row = (await self._session.execute(statement)).first()
        if row is None:
            raise NotFound("authority_limit_not_found", limit_id=limit_id)
        return AuthorityLimitOut.model_validate(row)

    def _limits(self) -> Select[*tuple[Any, ...]]:
        c = authority_limits.c
        amount = Bundle[Any](
            "amount", c.amount_minor.label("minor"), c.currency.label("currency")
        )
        plain = (column for column in c if column not in {c.amount_minor, c.currency})
        return select(*plain, amount).where(self._visible())

    def _visible(self) -> ColumnElement[bool]:
        own = self._principal.organisation_id
        return authority_limits.c.organisation_id == own
