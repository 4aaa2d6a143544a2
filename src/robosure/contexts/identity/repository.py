"""Identity's ports, over SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, exists, or_, select, update

from robosure.contexts.identity.domain import (
    USE_RESOLUTION,
    ApiKey,
    AuthorityLimit,
    CustomRole,
    Ending,
    ExternalIdentity,
    IdentityProvider,
    LimitStatus,
    Organisation,
    OrganisationKind,
    PasswordLetter,
    SecondFactor,
    Session,
    User,
    authority_from,
    digest_of,
    digest_of_token,
    normalised_email,
)
from robosure.contexts.identity.tables import (
    api_keys,
    authority_limits,
    custom_roles,
    external_identities,
    identity_providers,
    organisations,
    password_letters,
    second_factors,
    sessions,
    users,
)
from robosure.kernel.authority import Authority, Decision
from robosure.kernel.errors import (
    AlreadyExists,
    Invalid,
    InvalidState,
    NotFound,
    Stale,
)
from robosure.platform.database import WriteSession, translating
from robosure.platform.database.behalf import PLATFORM, continue_on_behalf_of
from robosure.platform.security import EndedSessions, Principal


class SqlOrganisations:
    """Organisations in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, organisation: Organisation) -> None:
        """Keep a new one."""
        taken = AlreadyExists(
            "organisation_exists", kind=organisation.kind.value, name=organisation.name
        )
        async with translating(self._session, {"uq_organisations_kind_name": taken}):
            self._session.add(organisation)

    async def get(self, organisation_id: UUID) -> Organisation:
        """Return one."""
        found = await self._session.get(Organisation, organisation_id)
        if found is None:
            raise NotFound("organisation_not_found", organisation_id=organisation_id)
        return found

    async def named(self, kind: OrganisationKind, name: str) -> Organisation | None:
        """Return the one of that kind and name, if there is one."""
        statement = select(Organisation).where(
            organisations.c.kind == kind, organisations.c.name == name
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def insurers(self) -> Sequence[Organisation]:
        """Return all insurers."""
        statement = select(Organisation).where(
            organisations.c.kind == OrganisationKind.INSURER
        )
        return (await self._session.scalars(statement)).all()


class SqlUsers:
    """Users in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, user: User) -> None:
        """Keep a new one."""
        taken = AlreadyExists("email_taken")
        async with translating(self._session, {"uq_users_email": taken}):
            self._session.add(user)

    async def get(self, user_id: UUID) -> User:
        """Return one."""
        found = await self.find(user_id)
        if found is None:
            raise NotFound("user_not_found", user_id=user_id)
        return found

    async def find(self, user_id: UUID) -> User | None:
        """Return one, if there is one."""
        found: User | None = await self._session.get(User, user_id)
        return found

    async def lock(self, user: User) -> None:
        """Read one again, whom nobody else then changes before this is over."""
        await self._session.refresh(user, with_for_update={"key_share": True})

    async def with_email(self, email: str) -> User | None:
        """Return the one with that address, in any case, if there is one."""
        try:
            address = normalised_email(email)
        except Invalid:
            return None
        statement = select(User).where(users.c.email == address)
        return (await self._session.scalars(statement)).one_or_none()

    async def any_of(self, organisation_id: UUID) -> bool:
        """Say whether the organisation has, or ever had, anybody."""
        theirs = users.c.organisation_id == organisation_id
        return bool(await self._session.scalar(select(exists().where(theirs))))

    async def save(self, user: User) -> None:
        """Write a change now, so that its new version is known."""
        async with translating(self._session, {}):
            self._session.add(user)

    async def upgrade_password(self, user: User, password_hash: str) -> None:
        """Keep the same password under a stronger hash, unless it was just changed.

        Beside the aggregate, since two sign-ins at once are no conflict.
        """
        await self._session.execute(
            update(users)
            .where(users.c.id == user.id, users.c.password_hash == user.password_hash)
            .values(password_hash=password_hash)
        )


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


class SqlSessions:
    """Sessions in PostgreSQL; what ends there, this process knows of at once."""

    def __init__(self, session: WriteSession, *, ended: EndedSessions) -> None:
        self._session = session
        self._ended = ended

    async def add(self, session: Session) -> None:
        """Keep a new one."""
        self._session.add(session)

    async def get(self, session_id: UUID) -> Session:
        """Return one, and let nobody else change it before this is over."""
        found = await self._session.get(Session, session_id, with_for_update=True)
        if found is None:
            raise NotFound("session_not_found", session_id=session_id)
        return found

    async def end(self, session: Session, because: Ending, *, at: datetime) -> None:
        """End one; access tokens of it are good no longer once that is committed."""
        session.end(because, at=at)
        self._note([session.id])

    async def end_all_of(
        self,
        user_id: UUID,
        because: Ending,
        *,
        at: datetime,
        but: UUID | None = None,
    ) -> None:
        """End all of somebody's, also those that are just beginning."""
        # Who begins one holds this until it is there to be seen.
        await self._session.execute(
            select(users.c.id)
            .where(users.c.id == user_id)
            .with_for_update(key_share=True)
        )
        theirs = (
            select(Session)
            .where(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None))
            .order_by(sessions.c.id)
            .with_for_update()
        )
        for session in await self._session.scalars(theirs):
            if session.id != but:
                await self.end(session, because, at=at)

    def _note(self, session_ids: list[UUID]) -> None:
        async def note() -> None:
            self._ended.note(session_ids)

        self._session.after_commit(note)


class SqlSecondFactors:
    """Authenticator apps in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, factor: SecondFactor) -> None:
        """Keep a new one."""
        taken = InvalidState("second_factor_exists")
        async with translating(self._session, {"uq_second_factors_user_id": taken}):
            self._session.add(factor)

    async def of_user(self, user_id: UUID) -> SecondFactor | None:
        """Return somebody's, if they have one; nobody else changes it meanwhile."""
        theirs = (
            select(SecondFactor)
            .where(second_factors.c.user_id == user_id)
            .with_for_update()
        )
        return (await self._session.scalars(theirs)).one_or_none()

    async def remove(self, factor: SecondFactor) -> None:
        """Forget one."""
        await self._session.delete(factor)


class SqlPasswordLetters:
    """Letters by which people choose a password, in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, letter: PasswordLetter) -> None:
        """Keep a new one."""
        self._session.add(letter)

    async def next_due(self, *, at: datetime) -> PasswordLetter | None:
        """Return one that is to be sent by then, the one asked for first."""
        columns = password_letters.c
        statement = (
            select(PasswordLetter)
            .where(columns.due_at <= at)
            .order_by(columns.requested_at, columns.id)
            .limit(1)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def found(self, letter_id: UUID) -> PasswordLetter | None:
        """Return one as it is now, if it is still there."""
        statement = (
            select(PasswordLetter)
            .where(password_letters.c.id == letter_id)
            .execution_options(populate_existing=True)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def with_token(self, token: str) -> PasswordLetter | None:
        """Return the one that a token is of, if it is of any."""
        digest = digest_of_token(token)
        statement = select(PasswordLetter).where(password_letters.c.digest == digest)
        return (await self._session.scalars(statement)).one_or_none()

    async def newer_exists(self, letter: PasswordLetter) -> bool:
        """Say whether its user was written a later one."""
        columns = password_letters.c
        newer = exists().where(
            columns.user_id == letter.user_id,
            columns.id != letter.id,
            columns.requested_at > letter.requested_at,
        )
        return bool(await self._session.scalar(select(newer)))

    async def forget(self, letter: PasswordLetter) -> None:
        """Forget one, or see that somebody else has."""
        columns = password_letters.c
        await self._session.execute(
            delete(password_letters).where(columns.id == letter.id)
        )
        self._session.expunge(letter)

    async def forget_all_of(
        self, user_id: UUID, *, but: PasswordLetter | None = None
    ) -> None:
        """Forget all of somebody's, but for one: their tokens are good no longer."""
        columns = password_letters.c
        theirs = delete(password_letters).where(columns.user_id == user_id)
        if but is not None:
            theirs = theirs.where(columns.id != but.id)
        await self._session.execute(theirs)


class SqlCustomRoles:
    """Roles of insurers' own in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, role: CustomRole) -> None:
        """Keep a new one."""
        taken = AlreadyExists("role_exists", name=role.name)
        constraints = {"uq_custom_roles_organisation_id_name": taken}
        async with translating(self._session, constraints):
            self._session.add(role)

    async def get_for_update(
        self, role_id: UUID, *, organisation_id: UUID
    ) -> CustomRole:
        """Return an insurer's, locked."""
        found = await self._session.get(CustomRole, role_id, with_for_update=True)
        if found is None or found.organisation_id != organisation_id:
            raise NotFound("custom_role_not_found", role_id=role_id)
        return found

    async def named(
        self, organisation_id: UUID, names: Collection[str]
    ) -> Sequence[CustomRole]:
        """Return those of these names that an insurer has."""
        statement = select(CustomRole).where(*_named(organisation_id, names))
        return (await self._session.scalars(statement)).all()

    async def hold(self, organisation_id: UUID, names: Collection[str]) -> set[str]:
        """Return which names an insurer's have; until the end nobody removes them."""
        statement = (
            select(custom_roles.c.name)
            .where(*_named(organisation_id, names))
            .order_by(custom_roles.c.id)
            .with_for_update(read=True)
        )
        return set(await self._session.scalars(statement))

    async def save(self, role: CustomRole) -> None:
        """Write a change now, so that its new version is known."""
        async with translating(self._session, {}):
            self._session.add(role)

    async def remove(self, role: CustomRole) -> None:
        """Forget one that is locked, so that nobody gets it meanwhile."""
        held = select(
            exists().where(
                users.c.organisation_id == role.organisation_id,
                users.c.roles.contains([role.name]),
                users.c.erased_at.is_(None),
            )
        )
        if await self._session.scalar(held):
            raise InvalidState("role_held", name=role.name)
        theirs = select(IdentityProvider).where(
            identity_providers.c.organisation_id == role.organisation_id
        )
        for provider in await self._session.scalars(theirs):
            if role.name in provider.rules.roles:
                raise InvalidState(
                    "role_mapped", name=role.name, provider=provider.name
                )
        await self._session.delete(role)
        await self._session.flush()


def _named(
    organisation_id: UUID, names: Collection[str]
) -> tuple[ColumnElement[bool], ...]:
    c = custom_roles.c
    return c.organisation_id == organisation_id, c.name.in_(sorted(names))


class SqlAuthorityLimits:
    """Authority limits in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def start(self, insurer_id: UUID, limits: Sequence[AuthorityLimit]) -> None:
        """Keep what an insurer starts with, unless it has limits of any kind.

        From here on the transaction is the platform's: who takes another insurer in
        does not see its limits.
        """
        await continue_on_behalf_of(self._session, PLATFORM)
        theirs = authority_limits.c.organisation_id == insurer_id
        if not await self._session.scalar(select(exists().where(theirs))):
            self._session.add_all(limits)

    async def add(self, limit: AuthorityLimit) -> None:
        """Keep a new one."""
        async with translating(self._session, {}):
            self._session.add(limit)

    async def get_for_update(
        self, limit_id: UUID, *, organisation_id: UUID
    ) -> AuthorityLimit:
        """Return an insurer's, locked."""
        found = await self._session.get(AuthorityLimit, limit_id, with_for_update=True)
        if found is None or found.organisation_id != organisation_id:
            raise NotFound("authority_limit_not_found", limit_id=limit_id)
        return found

    async def in_force_like(self, limit: AuthorityLimit) -> AuthorityLimit | None:
        """Return the one in force for the same, locked; None if there is none."""
        c = authority_limits.c
        statement = _in_force(
            limit.organisation_id, limit.decision, limit.amount.currency
        ).where(
            c.role.is_not_distinct_from(limit.role),
            c.user_id.is_not_distinct_from(limit.user_id),
        )
        return (await self._session.scalars(statement.with_for_update())).one_or_none()

    async def unended_of_role(
        self, role: str, *, organisation_id: UUID
    ) -> Sequence[AuthorityLimit]:
        """Return those of a role that are proposed or in force, locked."""
        c = authority_limits.c
        statement = (
            select(AuthorityLimit)
            .where(
                c.organisation_id == organisation_id,
                c.role == role,
                c.status.in_((LimitStatus.PROPOSED, LimitStatus.APPROVED)),
            )
            .order_by(c.id)
            .with_for_update()
        )
        return (await self._session.scalars(statement)).all()

    async def save(self, limit: AuthorityLimit) -> None:
        """Write a change now."""
        taken = Stale("stale_version", version=limit.version)
        async with translating(self._session, {"uq_authority_limits_in_force": taken}):
            self._session.add(limit)


class SqlAuthorities:
    """Who may approve how much, for whoever lets money go."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def authority_of(
        self, principal: Principal, *, decision: Decision, currency: str
    ) -> Authority:
        """Return up to what amount the principal may approve, and who may more."""
        in_force = _in_force(principal.organisation_id, decision, currency)
        return authority_from(
            await self._session.scalars(in_force),
            user_id=principal.subject,
            roles=principal.roles,
            currency=currency,
        )


def _in_force(
    organisation_id: UUID, decision: Decision, currency: str
) -> Select[AuthorityLimit]:
    c = authority_limits.c
    return select(AuthorityLimit).where(
        c.organisation_id == organisation_id,
        c.decision == decision,
        c.currency == currency,
        c.status == LimitStatus.APPROVED,
    )


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
        if found is None:
            raise NotFound("identity_provider_not_found", provider_id=provider_id)
        return found

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
