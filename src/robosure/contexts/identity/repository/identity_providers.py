"""Identity providers, and whom they mean, in PostgreSQL."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from uuid import UUID

from sqlalchemy import exists, select

from robosure.contexts.identity.domain import (
    ExternalIdentity,
    IdentityProvider,
)
from robosure.contexts.identity.tables import (
    external_identities,
)
from robosure.kernel.errors import (
    AlreadyExists,
    NotFound,
)
from robosure.platform.database import WriteSession, translating


class SqlIdentityProviders:
    """Identity providers in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, provider: IdentityProvider) -> None:
        """Keep a new one."""
        async with self._naming(provider):
            self._session.add(provider)

    async def get(self, provider_id: UUID) -> IdentityProvider:
        """Return one."""
        found = await self._session.get(IdentityProvider, provider_id)
        return _found(found, provider_id)

    async def get_for_update(self, provider_id: UUID) -> IdentityProvider:
        """Return one that is to change, once nobody comes in by it any more."""
        found = await self._session.get(
            IdentityProvider, provider_id, with_for_update=True
        )
        return _found(found, provider_id)

    async def held(self, provider_id: UUID) -> IdentityProvider:
        """Return one, and let nobody change it before this is over."""
        found = await self._session.get(
            IdentityProvider, provider_id, with_for_update={"read": True}
        )
        return _found(found, provider_id)

    async def save(self, provider: IdentityProvider) -> None:
        """Write a change now, so that its new version is known."""
        async with self._naming(provider):
            self._session.add(provider)

    async def forget_subjects(self, provider: IdentityProvider) -> None:
        """Forget whom one means by its subjects."""
        known = select(ExternalIdentity).where(
            external_identities.c.provider_id == provider.id
        )
        # One by one, so that the trail says of each that it is gone.
        for identity in await self._session.scalars(known):
            await self._session.delete(identity)

    async def remove(self, provider: IdentityProvider) -> None:
        """Forget one, and whom it means by its subjects."""
        await self._session.delete(provider)
        await self._session.flush()

    def _naming(self, provider: IdentityProvider) -> AbstractAsyncContextManager[None]:
        taken = AlreadyExists("identity_provider_exists", name=provider.name)
        return translating(
            self._session, {"uq_identity_providers_organisation_id_name": taken}
        )


def _found(provider: IdentityProvider | None, provider_id: UUID) -> IdentityProvider:
    if provider is None:
        raise NotFound("identity_provider_not_found", provider_id=provider_id)
    return provider


class SqlExternalIdentities:
    """External identities in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, identity: ExternalIdentity) -> None:
        """Keep a new one."""
        taken = AlreadyExists("identity_exists", issuer=identity.issuer)
        unique = "uq_external_identities_provider_id_issuer_subject"
        async with translating(self._session, {unique: taken}):
            self._session.add(identity)

    async def find(
        self, provider_id: UUID, *, issuer: str, subject: str
    ) -> ExternalIdentity | None:
        """Return whom they mean, if anybody is known by that."""
        columns = external_identities.c
        statement = select(ExternalIdentity).where(
            columns.provider_id == provider_id,
            columns.issuer == issuer,
            columns.subject == subject,
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def are_of(self, user_id: UUID) -> bool:
        """Say whether a provider vouches for somebody."""
        theirs = exists().where(external_identities.c.user_id == user_id)
        return bool(await self._session.scalar(select(theirs)))
