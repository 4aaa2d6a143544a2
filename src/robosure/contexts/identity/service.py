"""Identity's use cases: signing in, and managing organisations, people and keys."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from robosure.contexts.identity.domain import (
    DEVICE_ROLE,
    ApiKey,
    Organisation,
    OrganisationKind,
    User,
    check_password,
    roles_in_effect,
)
from robosure.contexts.identity.ports import ApiKeys, Organisations, Users
from robosure.contexts.identity.repository import (
    SqlApiKeys,
    SqlOrganisations,
    SqlUsers,
)
from robosure.kernel.errors import Forbidden, NotFound, Stale, Unauthenticated
from robosure.kernel.time import Clock, SystemClock, utc
from robosure.platform.database import Database, WriteSession
from robosure.platform.logging import DomainLogger, LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.security import Passwords, Principal, RoleCatalogue
from robosure.platform.settings import Settings

SIGN_INS: Final = counter(
    "identity_sign_ins_total", "Attempts to sign in, by outcome.", ["outcome"]
)


class SignInService(LoggerMixin):
    """Turns an e-mail address and a password into a principal."""

    def __init__(
        self,
        users: Users,
        *,
        organisations: Organisations,
        passwords: Passwords,
        roles: RoleCatalogue,
    ) -> None:
        self._users = users
        self._organisations = organisations
        self._passwords = passwords
        self._roles = roles

    async def sign_in(self, email: str, *, password: str) -> Principal:
        """Say who this is.

        A stranger, a wrong password and a deactivated user get the same answer after
        about the same time, so nobody learns who has an account.

        Raises:
            Unauthenticated: it is nobody who may sign in.
        """
        user = await self._users.with_email(email)
        right, better_hash = await self._passwords.verify(
            password, user.password_hash if user else None
        )
        if user is None or not right or not user.active:
            SIGN_INS.labels("refused").inc()
            self.logger.warning("identity.service.sign_in_refused", email=email)
            raise Unauthenticated("invalid_credentials")
        if better_hash is not None:
            await self._users.upgrade_password(user, better_hash)
        organisation = await self._organisations.get(user.organisation_id)
        SIGN_INS.labels("completed").inc()
        self.logger.info("identity.service.sign_in_completed", user_id=str(user.id))
        effective = roles_in_effect(organisation.kind, user.roles)
        return Principal(
            subject=user.id,
            kind="user",
            name=user.name,
            organisation_id=organisation.id,
            organisation_kind=organisation.kind.value,
            roles=effective,
            permissions=self._roles.permissions_of(effective),
        )


class OrganisationService(LoggerMixin):
    """Takes organisations in."""

    def __init__(self, organisations: Organisations, *, clock: Clock) -> None:
        self._organisations = organisations
        self._clock = clock

    async def register(
        self,
        by: Principal,
        *,
        kind: OrganisationKind,
        name: str,
        email: str,
        country: str,
    ) -> Organisation:
        """Take one in.

        Raises:
            Forbidden: only insurers do that.
            AlreadyExists: another of its kind has that name.
            Invalid: see :meth:`Organisation.register`.
        """
        if by.organisation_kind != OrganisationKind.INSURER:
            raise Forbidden("insurer_only")
        organisation = Organisation.register(
            kind=kind, name=name, email=email, country=country, at=self._clock.now()
        )
        await self._organisations.add(organisation)
        self.logger.info(
            "identity.service.organisation_registration_completed",
            organisation_id=str(organisation.id),
            kind=kind.value,
        )
        return organisation


class UserService(LoggerMixin):
    """Takes people in and changes what they may do."""

    def __init__(
        self,
        users: Users,
        *,
        organisations: Organisations,
        passwords: Passwords,
        clock: Clock,
    ) -> None:
        self._users = users
        self._organisations = organisations
        self._passwords = passwords
        self._clock = clock

    async def register(
        self,
        by: Principal,
        *,
        organisation_id: UUID | None,
        email: str,
        name: str,
        password: str,
        roles: Collection[str],
        skills: Collection[str],
    ) -> User:
        """Take a person into an organisation, one's own unless another is named.

        Raises:
            NotFound: no such organisation, or none whose users one manages.
            AlreadyExists: the e-mail address is taken.
            Invalid: the password is too short; or see :meth:`User.register`.
        """
        check_password(password)
        organisation = await managed_organisation(
            self._organisations, by, organisation_id or by.organisation_id
        )
        user = User.register(
            organisation,
            email=email,
            name=name,
            password_hash=await self._passwords.hash(password),
            roles=roles,
            skills=skills,
            at=self._clock.now(),
        )
        await self._users.add(user)
        self.logger.info(
            "identity.service.user_registration_completed",
            user_id=str(user.id),
            organisation_id=str(organisation.id),
        )
        return user

    async def change(
        self,
        by: Principal,
        user_id: UUID,
        *,
        expected_version: int | None,
        name: str | None,
        roles: Collection[str] | None,
        skills: Collection[str] | None,
        active: bool | None,
    ) -> User:
        """Change what is given about a user.

        Raises:
            NotFound: no such user, or none whom one manages.
            Stale: it is no longer the version that the caller saw.
            Invalid, InvalidState: see :meth:`User.change`.
        """
        user = await self._users.get(user_id)
        try:
            organisation = await managed_organisation(
                self._organisations, by, user.organisation_id
            )
        except NotFound:
            raise NotFound("user_not_found", user_id=user_id) from None
        if expected_version is not None and user.version != expected_version:
            raise Stale("stale_version", version=user.version)
        user.change(
            organisation,
            by=by.subject,
            name=name,
            roles=roles,
            skills=skills,
            active=active,
        )
        await self._users.save(user)
        self.logger.info("identity.service.user_change_completed", user_id=str(user.id))
        return user


class ApiKeyService(LoggerMixin):
    """Makes and revokes keys."""

    def __init__(
        self,
        api_keys: ApiKeys,
        *,
        organisations: Organisations,
        roles: RoleCatalogue,
        clock: Clock,
    ) -> None:
        self._api_keys = api_keys
        self._organisations = organisations
        self._roles = roles
        self._clock = clock

    async def issue(
        self,
        by: Principal,
        *,
        organisation_id: UUID | None,
        name: str,
        scopes: Collection[str],
        robot_id: UUID | None,
        expires_at: datetime | None,
    ) -> tuple[ApiKey, str]:
        """Make a key for an organisation, one's own unless another is named.

        Returns:
            The key as it is stored, and the key itself, which is not.

        Raises:
            NotFound: no such organisation, or none whose keys one manages.
            Forbidden, Invalid: see :meth:`ApiKey.issue`.
        """
        organisation = await managed_organisation(
            self._organisations, by, organisation_id or by.organisation_id
        )
        issued, key = ApiKey.issue(
            organisation_id=organisation.id,
            name=name,
            scopes=scopes,
            grantable=by.permissions | self._roles.permissions_of({DEVICE_ROLE}),
            by=by.subject,
            at=self._clock.now(),
            robot_id=robot_id,
            expires_at=None if expires_at is None else utc(expires_at),
        )
        await self._api_keys.add(issued)
        self.logger.info(
            "identity.service.key_issue_completed",
            key_id=str(issued.id),
            prefix=issued.prefix,
        )
        return issued, key

    async def revoke(self, by: Principal, api_key_id: UUID) -> None:
        """Stop a key working, from now on.

        Raises:
            NotFound: no such key, or none that one manages.
        """
        api_key = await self._api_keys.get(api_key_id)
        try:
            await managed_organisation(self._organisations, by, api_key.organisation_id)
        except NotFound:
            raise NotFound("api_key_not_found", api_key_id=api_key_id) from None
        api_key.revoke(self._clock.now())
        self.logger.info(
            "identity.service.key_revocation_completed", key_id=str(api_key.id)
        )


async def managed_organisation(
    organisations: Organisations, by: Principal, organisation_id: UUID
) -> Organisation:
    """Return an organisation whose users and keys the principal manages.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    organisation = await organisations.get(organisation_id)
    kind = OrganisationKind(by.organisation_kind)
    if not organisation.is_managed_by(by.organisation_id, kind):
        raise NotFound("organisation_not_found", organisation_id=organisation_id)
    return organisation


class ApiKeyAuthenticator:
    """Tells the HTTP layer whose API key was presented."""

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
            permissions=frozenset(api_key.scopes),
            robot_id=api_key.robot_id,
        )


async def seed(database: Database, settings: Settings) -> None:
    """Write what an installation starts with: its insurer, and an admin to sign in.

    What exists already stays as it is. Without a password in the settings there is no
    admin, since one with a known password would be worse than none.

    Raises:
        Invalid: the settings name no country or address, or too short a password.
    """
    log = DomainLogger("identity", "seed")
    clock = SystemClock()
    async with database.write() as session:
        organisations, users = SqlOrganisations(session), SqlUsers(session)
        insurer = await organisations.named(
            OrganisationKind.INSURER, settings.insurer_name
        )
        if insurer is None:
            insurer = Organisation.register(
                kind=OrganisationKind.INSURER,
                name=settings.insurer_name,
                email=settings.admin_email,
                country=settings.insurer_country,
                at=clock.now(),
            )
            await organisations.add(insurer)
            log.completed("insurer_registration", name=insurer.name)
        if settings.admin_password is None:
            log.refused("admin_registration", reason="no ROBOSURE_ADMIN_PASSWORD set")
            return
        if await users.with_email(settings.admin_email) is not None:
            return
        password = settings.admin_password.get_secret_value()
        check_password(password)
        admin = User.register(
            insurer,
            email=settings.admin_email,
            name="Administrator",
            password_hash=await Passwords().hash(password),
            roles=["admin"],
            at=clock.now(),
        )
        await users.add(admin)
        log.completed("admin_registration", user_id=str(admin.id))
