"""Second factors: enrolling an authenticator app, and asking for its codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from robosure.contexts.identity.domain import Reading, SecondFactor, User
from robosure.contexts.identity.ports import Missed, SecondFactors, Users, Vault
from robosure.kernel.errors import Forbidden, NotFound, Unauthenticated
from robosure.kernel.time import Clock
from robosure.platform.logging import LoggerMixin
from robosure.platform.security import Principal, totp

_ISSUER: Final = "Robosure"


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app is to hold.

    Attributes:
        secret: in base32, to type.
        uri: the same as ``otpauth:``, for a QR code.
    """

    secret: str
    uri: str


class SecondFactorService(LoggerMixin):
    """Knows people by their authenticator apps."""

    def __init__(
        self,
        factors: SecondFactors,
        *,
        missed: Missed,
        users: Users,
        vault: Vault,
        clock: Clock,
    ) -> None:
        self._factors = factors
        self._missed = missed
        self._users = users
        self._vault = vault
        self._clock = clock

    async def begin(self, by: Principal) -> Enrolment:
        """Show a secret, which an app has to confirm.

        Raises:
            Forbidden: it is no person.
            InvalidState: they have a second factor.
        """
        user = await self._person(by)
        secret, now = totp.new_secret(), self._clock.now()
        sealed = self._vault.seal(secret)
        factor = await self._factors.of_user(user.id)
        if factor is None:
            factor = SecondFactor.begin(
                organisation_id=user.organisation_id,
                user_id=user.id,
                sealed_secret=sealed,
                at=now,
            )
            await self._factors.add(factor)
        else:
            factor.begin_again(sealed_secret=sealed, at=now)
        uri = totp.uri_of(secret, account=user.email, issuer=_ISSUER)
        return Enrolment(secret, uri)

    async def confirm(self, by: Principal, code: str) -> list[str]:
        """Ask for codes from now on, and return the recovery codes, this once.

        Raises:
            NotFound: no secret was shown to them.
            InvalidState, Unauthenticated: see :meth:`SecondFactor.confirm`.
        """
        factor = await self._factor_of(by.subject)
        read, missed = await self._read(factor, code)
        codes = factor.confirm(read, missed=missed, at=self._clock.now())
        self.logger.info(
            "identity.service.second_factor_confirmed", user_id=str(by.subject)
        )
        return codes

    async def is_asked_for(self, user_id: UUID) -> bool:
        """Whether somebody has a second factor."""
        return await self._confirmed(user_id) is not None

    async def check(self, user_id: UUID, code: str) -> None:
        """Take a code of somebody's app, or one of their recovery codes.

        Raises:
            Unauthenticated: there is none, or it is wrong or used.
        """
        if not code:
            raise Unauthenticated("second_factor_required")
        factor = await self._confirmed(user_id)
        if factor is None:
            raise Unauthenticated("wrong_second_factor")
        if factor.use_recovery_code(code):
            self.logger.warning(
                "identity.service.recovery_code_used",
                user_id=str(user_id),
                left=len(factor.recovery_digests),
            )
            return
        read, missed = await self._read(factor, code)
        factor.use(read, missed=missed)

    async def renew_recovery_codes(self, by: Principal) -> list[str]:
        """Make new recovery codes, and return them, this once.

        Raises:
            NotFound: they have no second factor.
        """
        factor = await self._confirmed(by.subject)
        if factor is None:
            raise NotFound("second_factor_not_found")
        return factor.renew_recovery_codes()

    async def remove(self, user_id: UUID) -> None:
        """Ask somebody for codes no more.

        Raises:
            NotFound: they have no second factor.
        """
        await self._factors.remove(await self._factor_of(user_id))
        self.logger.info("identity.service.second_factor_removed", user_id=str(user_id))

    async def _person(self, by: Principal) -> User:
        user = await self._users.find(by.subject) if by.kind == "user" else None
        if user is None:
            raise Forbidden("person_required")
        return user

    async def _factor_of(self, user_id: UUID) -> SecondFactor:
        factor = await self._factors.of_user(user_id)
        if factor is None:
            raise NotFound("second_factor_not_found")
        return factor

    async def _confirmed(self, user_id: UUID) -> SecondFactor | None:
        factor = await self._factors.of_user(user_id)
        return factor if factor and factor.is_asked_for else None

    async def _read(
        self, factor: SecondFactor, code: str
    ) -> tuple[Reading | None, Reading | None]:
        """Return what a code is, and the one before it where the clock seems off."""
        found = totp.read(
            self._vault.open(factor.sealed_secret),
            code.replace(" ", ""),
            at=self._clock.now(),
            ahead=factor.ahead,
        )
        read = Reading(*found) if found else None
        if read is None or read.ahead == factor.ahead:
            return read, None
        missed = await self._missed.last_of(factor.user_id)
        await self._missed.remember(factor.user_id, read)
        return read, missed
