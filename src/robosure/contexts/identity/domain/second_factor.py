"""A second factor: the codes of an authenticator app, and ten for when it is lost."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import InvalidState, Unauthenticated

RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 20
_GROUP: Final = 4


@dataclass(frozen=True)
class Reading:
    """A code of an app, as it was read.

    Attributes:
        step: the time step (RFC 6238) that it is of.
        ahead: by how many steps that was ahead of our clock.
    """

    step: int
    ahead: int


@dataclass(eq=False, kw_only=True)
class SecondFactor(Aggregate):
    """Somebody's authenticator app.

    Attributes:
        sealed_secret: what the app and we share, encrypted.
        begun_at: when it was shown.
        confirmed_at: when the app first proved to have it; until then it asks for
            nothing at sign-in.
        last_step: the latest time step (RFC 6238) whose code was used; each is good
            once.
        ahead: by how many time steps the app's clock is ahead of ours, as learned.
        lost_at: since when it is lost, as an administrator says; until another one is
            confirmed, a letter's token is asked for in its place.
        recovery_digests: SHA-256 of the recovery codes that are left. These have 160
            random bits, so a slow hash would protect nothing.
    """

    organisation_id: UUID
    user_id: UUID
    sealed_secret: str = field(repr=False)
    begun_at: datetime
    confirmed_at: datetime | None = None
    last_step: int | None = None
    ahead: int = 0
    lost_at: datetime | None = None
    recovery_digests: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def begin(
        cls, *, organisation_id: UUID, user_id: UUID, sealed_secret: str, at: datetime
    ) -> SecondFactor:
        """Show somebody a secret, to be confirmed."""
        return cls(
            organisation_id=organisation_id,
            user_id=user_id,
            sealed_secret=sealed_secret,
            begun_at=at,
        )

    def begin_again(self, *, sealed_secret: str, at: datetime) -> None:
        """Show another secret, as the one before was never confirmed, or is lost.

        Raises:
            InvalidState: it was, and is not.
        """
        if self.is_asked_for:
            raise InvalidState("second_factor_exists")
        self.sealed_secret = sealed_secret
        self.begun_at = at
        self.last_step, self.ahead = None, 0

    def confirm(
        self, read: Reading | None, *, missed: Reading | None = None, at: datetime
    ) -> list[str]:
        """Take it for theirs from now on, since their app has given a code.

        Args:
            read: the code that was given; None if it is none.
            missed: the one before it that was refused; see :meth:`use`.
            at: now.

        Returns:
            The recovery codes, this once.

        Raises:
            InvalidState: it was confirmed before.
            Unauthenticated: the code is none of the app's.
        """
        if self.confirmed_at is not None:
            raise InvalidState("second_factor_exists")
        self.use(read, missed=missed)
        self.confirmed_at, self.lost_at = at, None
        return self.renew_recovery_codes()

    def lose(self, *, at: datetime) -> None:
        """Ask for it no more, and for a letter's token until there is another one."""
        self.lost_at = at
        self.confirmed_at, self.recovery_digests = None, ()

    @property
    def is_asked_for(self) -> bool:
        """Whether its codes are asked for at sign-in."""
        return self.confirmed_at is not None

    @property
    def is_lost(self) -> bool:
        """Whether there was one, that another is to follow."""
        return self.lost_at is not None

    def use(self, read: Reading | None, *, missed: Reading | None = None) -> None:
        """Take a code, once, for the thirty seconds that it is shown (ASVS 6.5.5).

        That is the code of the present step, by the app's clock as far as it is known.
        A hand that comes late comes late once; a clock that is off is off the next time
        too, and as far. So the second of two codes that are as far from the present
        one is taken, and what it says of the clock is kept (RFC 6238, section 6).

        Args:
            read: the code that was given; None if it is none.
            missed: the one that was given before it and refused, if lately.

        Raises:
            Unauthenticated: it is none of the app's, or not of now, or was used, or one
                after it was.
        """
        if read is None or not self._is_news(read):
            raise Unauthenticated("wrong_second_factor")
        if read.ahead != self.ahead and not self._is_from_a_clock(read, missed):
            raise Unauthenticated("wrong_second_factor")
        self.ahead, self.last_step = read.ahead, read.step

    def _is_news(self, read: Reading) -> bool:
        return self.last_step is None or read.step > self.last_step

    def _is_from_a_clock(self, read: Reading, missed: Reading | None) -> bool:
        """Say whether two codes came after one another from a clock that is off.

        Not so if one that was in time came between them.
        """
        if missed is None or missed.ahead != read.ahead:
            return False
        return missed.step < read.step and self._is_news(missed)

    def use_recovery_code(self, code: str) -> bool:
        """Take a recovery code, once; say whether it was one."""
        digest = _digest(code)
        if digest not in self.recovery_digests:
            return False
        left = [each for each in self.recovery_digests if each != digest]
        self.recovery_digests = tuple(left)
        return True

    def renew_recovery_codes(self) -> list[str]:
        """Make new ones, and forget those so far.

        Returns:
            The codes, this once, as people type them: ``ABCD-EFGH-...``.
        """
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
        self.recovery_digests = tuple(_digest(code) for code in codes)
        return codes


def _recovery_code() -> str:
    code = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
    return "-".join(code[n : n + _GROUP] for n in range(0, len(code), _GROUP))


def _digest(code: str) -> str:
    """Return what is stored of a code, however it is spaced and in any case."""
    plain = "".join(filter(str.isalnum, code.upper()))
    return hashlib.sha256(plain.encode(errors="surrogatepass")).hexdigest()
