"""Keys in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select, update

from robosure.contexts.identity.domain import (
    USE_RESOLUTION,
    ApiKey,
    digest_of,
)
from robosure.contexts.identity.tables import (
    api_keys,
)
from robosure.kernel.errors import (
    NotFound,
)
from robosure.platform.database import WriteSession


class SqlApiKeys:
    """API keys in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, api_key: ApiKey) -> None:
        """Keep a new one."""
        self._session.add(api_key)

    async def get(self, api_key_id: UUID) -> ApiKey:
        """Return one."""
        found = await self._session.get(ApiKey, api_key_id)
        if found is None:
            raise NotFound("api_key_not_found", api_key_id=api_key_id)
        return found

    async def locked(self, api_key_id: UUID) -> ApiKey:
        """Return one, as it is now, which nobody else changes until the end."""
        found = await self._session.get(
            ApiKey, api_key_id, with_for_update=True, populate_existing=True
        )
        if found is None:
            raise NotFound("api_key_not_found", api_key_id=api_key_id)
        return found

    async def presented(self, key: str) -> ApiKey | None:
        """Return the one whose key this is, if there is one."""
        statement = select(ApiKey).where(api_keys.c.digest == digest_of(key))
        return (await self._session.scalars(statement)).one_or_none()

    async def used(self, api_key: ApiKey, at: datetime) -> None:
        """Keep when it was used, unless a later minute is kept already.

        Beside the aggregate, since two uses at once are no conflict.
        """
        stale = api_keys.c.last_used_at <= at - USE_RESOLUTION
        await self._session.execute(
            update(api_keys)
            .where(
                api_keys.c.id == api_key.id,
                or_(api_keys.c.last_used_at.is_(None), stale),
            )
            .values(last_used_at=at)
        )
