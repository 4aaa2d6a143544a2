"""What the HTTP layer asks about those who ask."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from robosure.contexts.identity.repository import SqlApiKeys, SqlOrganisations
from robosure.contexts.identity.tables import sessions
from robosure.platform.database import ReadSession, WriteSession
from robosure.platform.security import Principal


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
    ) -> Collection[UUID]:
        """Return the sessions that have ended since then, before their time."""
        ended = select(sessions.c.id).where(sessions.c.ended_at >= since)
        return (await session.scalars(ended)).all()
