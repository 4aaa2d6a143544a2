"""Identity providers, as admins of their organisation see them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, Text, cast, literal, select

from robosure.contexts.identity.schemas.identity_providers import IdentityProviderOut
from robosure.contexts.identity.service.single_sign_on import redirect_uri
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
        before, after = redirect_uri(self._base_url, "{id}").split("{id}")
        id_ = cast(identity_providers.c.id, Text)
        where_to = literal(before) + id_ + literal(after)
        return select(identity_providers, where_to.label("redirect_uri")).where(
            identity_providers.c.organisation_id == self._organisation_id
        )
