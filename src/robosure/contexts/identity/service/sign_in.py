"""Signing in."""

from __future__ import annotations

from typing import Final

from robosure.contexts.identity.domain import roles_in_effect
from robosure.contexts.identity.ports import Attempts, Organisations, Users
from robosure.kernel.errors import LimitReached, Unauthenticated
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.security import Attempt, Passwords, Principal, RoleCatalogue

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
        attempts: Attempts,
    ) -> None:
        self._users = users
        self._organisations = organisations
        self._passwords = passwords
        self._roles = roles
        self._attempts = attempts

    async def sign_in(self, email: str, *, password: str, source: str) -> Principal:
        """Say who this is.

        A stranger, a wrong password and a deactivated user get the same answer after
        about the same time, so nobody learns who has an account. Failures delay the
        next attempt, a stranger's like anybody's.

        Args:
            email: in any case.
            password: as it was typed.
            source: the address that it comes from.

        Raises:
            Unauthenticated: it is nobody who may sign in.
            LimitReached: there were too many failures just now; nothing was looked at.
        """
        attempt = await self._begin(email, source)
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
        await self._attempts.right(attempt)
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

    async def _begin(self, email: str, source: str) -> Attempt:
        try:
            # In the form in which addresses are compared, whether or not it is one.
            return await self._attempts.begin(email.strip().lower(), source=source)
        except LimitReached as refusal:
            SIGN_INS.labels("throttled").inc()
            self.logger.warning(
                "identity.service.sign_in_throttled", email=email, **refusal.details
            )
            raise
