"""Managing people."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from uuid import UUID

from robosure.contexts.identity.domain import (
    Ending,
    Organisation,
    PasswordLetter,
    User,
)
from robosure.contexts.identity.ports import (
    Organisations,
    PasswordLetters,
    Sessions,
    Users,
)
from robosure.contexts.identity.service.new_passwords import check_new_password
from robosure.contexts.identity.service.organisations import managed_organisation
from robosure.contexts.identity.service.roles import Roles
from robosure.kernel.errors import NotFound, Stale
from robosure.kernel.time import Clock
from robosure.platform.logging import LoggerMixin
from robosure.platform.security import Passwords, Principal


class UserService(LoggerMixin):
    """Takes people in and changes what they may do."""

    def __init__(
        self,
        users: Users,
        *,
        organisations: Organisations,
        sessions: Sessions,
        letters: PasswordLetters,
        passwords: Passwords,
        roles: Roles,
        clock: Clock,
    ) -> None:
        self._users = users
        self._organisations = organisations
        self._sessions = sessions
        self._letters = letters
        self._passwords = passwords
        self._roles = roles
        self._clock = clock

    async def register(
        self,
        by: Principal,
        *,
        organisation_id: UUID | None,
        email: str,
        name: str,
        password: str | None,
        roles: Collection[str],
        skills: Collection[str],
    ) -> User:
        """Take a person into an organisation, one's own unless another is named.

        Without a password they are invited to choose their own, by a letter; until then
        none fits.

        Raises:
            NotFound: no such organisation, or none whose users one manages.
            Forbidden: see :meth:`Roles.check_may_give`.
            AlreadyExists: the e-mail address is taken.
            Invalid: see :func:`check_new_password` and :meth:`User.register`.
        """
        organisation = await managed_organisation(
            self._organisations, by, organisation_id or by.organisation_id
        )
        await self._roles.check_may_give(by, organisation, roles)
        if password is not None:
            await check_new_password(
                password,
                passwords=self._passwords,
                about=(email, name, organisation.name),
            )
        user = User.register(
            organisation,
            email=email,
            name=name,
            password_hash=await self._passwords.hash(
                secrets.token_urlsafe(64) if password is None else password
            ),
            roles=roles,
            own_roles=await self._roles.names_of(organisation, roles),
            skills=skills,
            at=self._clock.now(),
        )
        await self._users.add(user)
        if password is None:
            invitation = PasswordLetter.invitation(user, at=self._clock.now())
            await self._letters.add(invitation)
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

        Other roles, or none any more, end all their sessions: what they may do is in
        tokens that they hold.

        Raises:
            NotFound: no such user, or none whom one manages.
            Stale: it is no longer the version that the caller saw.
            Forbidden: see :meth:`Roles.check_may_give`.
            Invalid, InvalidState: see :meth:`User.change`.
        """
        user, organisation = await managed_user(
            self._users, self._organisations, by, user_id
        )
        if expected_version is not None and user.version != expected_version:
            raise Stale("stale_version", version=user.version)
        access = (user.roles, user.active)
        given = user.roles if roles is None else roles
        touched = set(given) ^ set(user.roles)
        if active not in {None, user.active}:
            touched.update(given)
        await self._roles.check_may_give(by, organisation, touched)
        user.change(
            organisation,
            by=by.subject,
            name=name,
            roles=roles,
            own_roles=await self._roles.names_of(organisation, roles or ()),
            skills=skills,
            active=active,
        )
        await self._users.save(user)
        if (user.roles, user.active) != access:
            now = self._clock.now()
            await self._sessions.end_all_of(user.id, Ending.ACCESS_CHANGED, at=now)
        self.logger.info("identity.service.user_change_completed", user_id=str(user.id))
        return user


async def managed_user(
    users: Users, organisations: Organisations, by: Principal, user_id: UUID
) -> tuple[User, Organisation]:
    """Return somebody whom the principal manages, and their organisation.

    Raises:
        NotFound: there is nobody, or only of another organisation.
    """
    user = await users.get(user_id)
    try:
        organisation = await managed_organisation(
            organisations, by, user.organisation_id
        )
    except NotFound:
        raise NotFound("user_not_found", user_id=user_id) from None
    return user, organisation
