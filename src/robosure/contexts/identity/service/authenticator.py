"""What the HTTP layer asks about those who ask."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_, select

from robosure.contexts.identity.repository import SqlApiKeys, SqlOrganisations
from robosure.contexts.identity.tables import sessions
from robosure.platform.database import ReadSession, WriteSession
from robosure.platform.security import OVER, Principal


class SqlAuthenticator:
    """Knows API keys and sessions."""

    async def authenticate(
        self, session: WriteSession, presented: str, *, now: datetime
    ) -> Principal | None:
        """Return whose key it is; None if it is unknown, expired or revoked."""
        api_keys = SqlApiKeys(session)
        api_key = await api_keys.presented(presented)
        if api_key is None or not api_key.usable_at(now):
            return None
        if api_key.use_is_news_at(now):
            await api_keys.used(api_key, now)
        organisation = await SqlOrganisations(session).get(api_key.organisation_id)
        return Principal(
            subject=api_key.id,
            kind="api_key",
            name=api_key.name,
            organisation_id=organisation.id,
            organisation_kind=organisation.kind.value,
            roles=frozenset(),
            permissions=api_key.permissions,
            robot_id=api_key.robot_id,
        )

    async def ended_sessions(
        self, session: ReadSession, *, since: datetime
    ) -> Mapping[UUID, float]:
        """Return from which generation on tokens are good, where that changed since.

        None of a session that ended before its time is.
        """
        columns = sessions.c
        changed = select(columns.id, columns.ended_at, columns.proven_generation).where(
            or_(
                columns.ended_at >= since,
                and_(columns.proven_generation > 1, columns.authenticated_at >= since),
            )
        )
        return {
            each.id: each.proven_generation if each.ended_at is None else OVER
            for each in await session.execute(changed)
        }
