"""Whom an identity provider means: somebody who is known, or somebody new."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from robosure.contexts.identity.domain import (
    Ending,
    ExternalIdentity,
    IdentityProvider,
    Organisation,
    Said,
    User,
    Vouching,
)
from robosure.contexts.identity.ports import (
    ExternalIdentities,
    Organisations,
    Sessions,
    Users,
)
from robosure.contexts.identity.repository import SqlIdentityProviders
from robosure.contexts.identity.service.roles import Roles
from robosure.contexts.identity.service.single_sign_on import (
    SIGN_ONS,
    check_unchanged,
    enabled_provider,
    refusals_counted,
)
from robosure.kernel.errors import Forbidden
from robosure.kernel.time import Clock
from robosure.platform.federation import Assertion
from robosure.platform.logging import LoggerMixin
from robosure.platform.security import Passwords


@dataclass(frozen=True)
class Admission:
    """Who comes in, and what a session of theirs is to know of it."""

    user: User
    vouching: Vouching


class AdmissionService(LoggerMixin):
    """Finds the account of somebody whom a provider vouches for, or makes one."""

    def __init__(
        self,
        providers: SqlIdentityProviders,
        *,
        identities: ExternalIdentities,
        users: Users,
        organisations: Organisations,
        roles: Roles,
        sessions: Sessions,
        passwords: Passwords,
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._identities = identities
        self._users = users
        self._organisations = organisations
        self._roles = roles
        self._sessions = sessions
        self._passwords = passwords
        self._clock = clock

    async def admit(
        self, provider_id: UUID, assertion: Assertion, *, provider_version: int
    ) -> Admission | Forbidden:
        """Return who it is, called and entitled as the provider says now.

        Who has lost every role is signed out everywhere. That has to be kept although
        they are refused, so the refusal is returned.

        Args:
            provider_id: who says so.
            assertion: what it says.
            provider_version: as it was when it was asked. Nobody changes it before this
                is over.

        Raises:
            Unauthenticated: it was changed meanwhile; or they have signed in there too
                long ago.
            NotFound: nobody signs in by this provider any more.
            Forbidden: they have no account and get none; or it is deactivated; or they
                have shown no second factor there, and one is required.
            AlreadyExists: somebody else has their address. Whoever has it is not taken
                for the same: anybody may write anything into an e-mail claim.
            Invalid: the address is none.
        """
        with refusals_counted():
            provider = await enabled_provider(self._providers, provider_id, held=True)
            check_unchanged(provider, provider_version)
            vouching = self._judged(provider, assertion)
            organisation = await self._organisations.get(provider.organisation_id)
            known = await self._identities.find(
                provider.id, issuer=assertion.issuer, subject=assertion.subject
            )
            rules = provider.rules
            roles = rules.roles_for(assertion.values_of(rules.claim))
            if known is None:
                joined = await self._join(provider, organisation, assertion, roles)
                return Admission(joined, vouching)
            user = await self._users.get(known.user_id)
            if not user.active:
                raise Forbidden("account_deactivated")
        known_now = await self._brought_up_to_date(
            user, organisation, provider, assertion, roles
        )
        if isinstance(known_now, Forbidden):
            return known_now
        return Admission(known_now, vouching)

    def _judged(self, provider: IdentityProvider, assertion: Assertion) -> Vouching:
        signed = assertion.authentication
        return provider.authentication.judge(
            Said(
                acr=signed.acr,
                amr=signed.amr,
                authenticated_at=signed.authenticated_at,
                session=signed.session,
            ),
            provider_id=provider.id,
            sign_out_url=assertion.sign_out_url,
            at=self._clock.now(),
        )

    async def _join(
        self,
        provider: IdentityProvider,
        organisation: Organisation,
        assertion: Assertion,
        roles: tuple[str, ...],
    ) -> User:
        if not provider.just_in_time:
            raise Forbidden("sso_account_unknown")
        if not roles:
            raise Forbidden("sso_no_role")
        if assertion.email is None:
            raise Forbidden("sso_email_missing")
        now = self._clock.now()
        user = User.register(
            organisation,
            email=assertion.email,
            name=assertion.name or assertion.email,
            # Of a password that nobody knows, so that none is ever right.
            password_hash=await self._passwords.hash(secrets.token_urlsafe(64)),
            roles=roles,
            own_roles=await self._roles.names_of(organisation, roles),
            at=now,
        )
        await self._users.add(user)
        await self._identities.add(
            ExternalIdentity(
                user_id=user.id,
                provider_id=provider.id,
                issuer=assertion.issuer,
                subject=assertion.subject,
                linked_at=now,
            )
        )
        self._completed("identity.service.sso_account_made", user)
        return user

    async def _brought_up_to_date(
        self,
        user: User,
        organisation: Organisation,
        provider: IdentityProvider,
        assertion: Assertion,
        roles: tuple[str, ...],
    ) -> User | Forbidden:
        if roles != user.roles:
            now = self._clock.now()
            await self._sessions.end_all_of(user.id, Ending.ACCESS_CHANGED, at=now)
        if not roles:
            SIGN_ONS.labels("refused").inc()
            return Forbidden("sso_no_role")
        user.change(
            organisation,
            by=provider.id,
            name=assertion.name,
            roles=roles,
            own_roles=await self._roles.names_of(organisation, roles),
        )
        await self._users.save(user)
        self._completed("identity.service.sso_completed", user)
        return user

    def _completed(self, event: str, user: User) -> None:
        SIGN_ONS.labels("completed").inc()
        self.logger.info(
            event,
            user_id=str(user.id),
            organisation_id=str(user.organisation_id),
        )
