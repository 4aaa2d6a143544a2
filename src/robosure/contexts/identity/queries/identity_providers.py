"""Identity providers, as admins of their organisation see them."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, literal, select

from robosure.contexts.identity.schemas.identity_providers import IdentityProviderOut
from robosure.contexts.identity.service.single_sign_on import (
    back_channel_logout_uri,
    redirect_uri,
)
from robosure.contexts.identity.tables import identity_providers
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, Principal, paginate


class IdentityProviderQueries:
    """What one may see of providers: one's own organisation's."""

    def __init__(
        self, session: ReadSession, principal: Principal, *, base_url: str
    ) -> None:
        self._session = session
        self._organisation_id = principal.organisation_id
        self._base_url = base_url

    async def all(self, cursor: PageRequest) -> Page[IdentityProviderOut]:
        """List them."""
        return await paginate(
            self._session,
            self._visible(),
            by=identity_providers.c.id,
            cursor=cursor,
            model=IdentityProviderOut,
        )

    async def one(self, provider_id: UUID) -> IdentityProviderOut:
        """Return one.

        Raises:
            NotFound: the organisation has no such provider.
        """
        statement = self._visible().where(identity_providers.c.id == provider_id)
        row = (await self._session.execute(statement)).first()
        if row is None:
            raise NotFound("identity_provider_not_found", provider_id=provider_id)
        return IdentityProviderOut.model_validate(row)

    def _visible(self) -> Select[*tuple[object, ...]]:
        return select(
            identity_providers,
            self._told(redirect_uri).label("redirect_uri"),
            self._told(back_channel_logout_uri).label("back_channel_logout_uri"),
        ).where(identity_providers.c.organisation_id == self._organisation_id)

    def _told(self, uri: Callable[[str, str], str]) -> ColumnElement[str]:
        before, after = uri(self._base_url, "{id}").split("{id}")
        return literal(before) + cast(identity_providers.c.id, Text) + literal(after)
