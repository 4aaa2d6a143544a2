"""Whether somebody has a second factor."""

from __future__ import annotations

from sqlalchemy import select

from robosure.contexts.identity.schemas.second_factor import SecondFactorOut
from robosure.contexts.identity.tables import second_factors
from robosure.platform.database import ReadSession
from robosure.platform.http import Principal


class SecondFactorQueries:
    """What one may see of second factors: one's own."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal

    async def own(self) -> SecondFactorOut:
        """Return it; one that is not confirmed is none."""
        statement = select(
            second_factors.c.confirmed_at, second_factors.c.recovery_digests
        ).where(
            second_factors.c.user_id == self._principal.subject,
            second_factors.c.confirmed_at.is_not(None),
        )
        row = (await self._session.execute(statement)).first()
        if row is None:
            return SecondFactorOut(confirmed_at=None, recovery_codes_left=0)
        return SecondFactorOut(
            confirmed_at=row.confirmed_at,
            recovery_codes_left=len(row.recovery_digests),
        )
