"""Managing who else may say who an organisation's people are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from robosure.contexts.identity.domain import (
    AuthenticationRules,
    Connection,
    IdentityProvider,
    ProviderKind,
    RoleRules,
)
from robosure.contexts.identity.ports import IdentityProviders, Organisations
from robosure.contexts.identity.service.roles import Roles
from robosure.kernel.errors import FieldError, Invalid, NotFound, Stale
from robosure.kernel.time import Clock
from robosure.platform.client import may_be_called, names_private_address
from robosure.platform.logging import DomainLogger
from robosure.platform.security import FernetVault, Principal
from robosure.platform.settings import Settings

_log = DomainLogger("identity", "identity_providers")


class IdentityProviderService:
    """Manages an organisation's own providers; another's are not found.

    An insurer does not manage its customers': whoever names a provider can be anybody
    of the organisation.
    """

    def __init__(
        self,
        providers: IdentityProviders,
        *,
        organisations: Organisations,
        roles: Roles,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._organisations = organisations
        self._roles = roles
        self._vault = FernetVault.from_settings(settings)
        self._private = settings.sign_on_from_private_networks
        self._hosts = settings.called_hosts
        self._clock = clock

    async def register(
        self,
        by: Principal,
        *,
        name: str,
        kind: ProviderKind,
        connection: Connection,
        client_secret: str,
        rules: RoleRules,
        authentication: AuthenticationRules,
        enabled: bool,
        just_in_time: bool,
    ) -> IdentityProvider:
        """Take one in.

        Raises:
            Invalid: see :meth:`IdentityProvider.register`; or it is inside.
            Forbidden: see :meth:`Roles.check_may_give`.
            AlreadyExists: another of the organisation's has that name.
        """
        self._check_addresses(connection)
        organisation = await self._organisations.get(by.organisation_id)
        await self._roles.check_may_give(by, organisation, rules.roles)
        provider = IdentityProvider.register(
            organisation,
            name=name,
            kind=kind,
            connection=connection,
            sealed_secret=self._vault.seal(client_secret),
            rules=rules,
            own_roles=await self._roles.names_of(organisation, rules.roles),
            authentication=authentication,
            enabled=enabled,
            just_in_time=just_in_time,
            private=self._private,
            at=self._clock.now(),
        )
        await self._providers.add(provider)
        _log.completed("registration", provider_id=str(provider.id))
        return provider

    async def change(
        self,
        by: Principal,
        provider_id: UUID,
        *,
        expected_version: int | None,
        traits: Mapping[str, Any],
        connection: Mapping[str, Any],
        client_secret: str | None,
        rules: Mapping[str, Any],
        authentication: AuthenticationRules | None = None,
    ) -> IdentityProvider:
        """Change what is given about one, and leave the rest.

        Where its subjects are other people from now on, nobody is known by those so
        far.

        Args:
            by: who does.
            provider_id: which one.
            expected_version: that the caller saw; None if they do not say.
            traits: of its name, whether it is enabled, and whether it makes accounts.
            connection: fields of :class:`Connection`.
            client_secret: another one.
            rules: fields of :class:`RoleRules`.
            authentication: how strongly its people prove who they are; all of it.

        Raises:
            NotFound: the organisation has no such provider.
            Stale: it is no longer the version that the caller saw.
            Invalid: see :meth:`IdentityProvider.connect` and
                :meth:`IdentityProvider.authenticate_by`; or it is inside.
            Forbidden: see :meth:`Roles.check_may_give`.
            AlreadyExists: another of the organisation's has that name.
        """
        provider = await self._own(by, provider_id, expected_version)
        organisation = await self._organisations.get(by.organisation_id)
        asked = replace(provider.rules, **rules)
        # Who may have another provider asked may be anybody whom it vouches for.
        for each in (provider.rules, asked):
            await self._roles.check_may_give(by, organisation, each.roles)
        own = await self._roles.names_of(organisation, asked.roles)
        for trait, value in traits.items():
            setattr(provider, trait, value)
        if connection or client_secret is not None:
            connected = replace(provider.connection, **connection)
            self._check_addresses(connected)
            sealed = None if client_secret is None else self._vault.seal(client_secret)
            if provider.connect(connected, sealed_secret=sealed, private=self._private):
                await self._providers.forget_subjects(provider)
        if rules:
            provider.rule(asked, organisation, own)
        if authentication is not None:
            provider.authenticate_by(authentication)
        await self._providers.save(provider)
        _log.completed("change", provider_id=str(provider.id))
        return provider

    async def remove(
        self, by: Principal, provider_id: UUID, *, expected_version: int | None
    ) -> None:
        """Forget one, and whom it means by its subjects; their accounts stay.

        Raises:
            NotFound: the organisation has no such provider.
            Stale: it is no longer the version that the caller saw.
            Forbidden: see :meth:`Roles.check_may_give`.
        """
        provider = await self._own(by, provider_id, expected_version)
        organisation = await self._organisations.get(by.organisation_id)
        await self._roles.check_may_give(by, organisation, provider.rules.roles)
        await self._providers.remove(provider)
        _log.completed("removal", provider_id=str(provider.id))

    async def _own(
        self, by: Principal, provider_id: UUID, expected_version: int | None
    ) -> IdentityProvider:
        provider = await self._providers.get_for_update(provider_id)
        if provider.organisation_id != by.organisation_id:
            raise NotFound("identity_provider_not_found", provider_id=provider_id)
        if expected_version is not None and provider.version != expected_version:
            raise Stale("stale_version", version=provider.version)
        return provider

    def _check_addresses(self, connection: Connection) -> None:
        """Refuse hosts that are not allowed, and addresses that are not public.

        That is, those that are written out; names wait for DNS.
        """
        asked = {"issuer": connection.issuer}
        if connection.endpoints is not None:
            asked["endpoints.token"] = connection.endpoints.token
            asked["endpoints.userinfo"] = connection.endpoints.userinfo
        refused: list[FieldError] = []
        for field, url in asked.items():
            if url is None:
                continue
            if not self._private and names_private_address(url):
                detail = "it must be a public address"
                refused.append(FieldError(field, "address_refused", detail))
            elif not may_be_called(url, self._hosts):
                detail = "nothing is asked there"
                refused.append(FieldError(field, "host_not_allowed", detail))
        if refused:
            raise Invalid("invalid_identity_provider", errors=refused)
