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
        recovery_digests: SHA-256 of the recovery codes that are left. These have 160
            random bits, so a slow hash would protect nothing.
    """

    organisation_id: UUID
    user_id: UUID
    sealed_secret: str = field(repr=False)
    begun_at: datetime
    confirmed_at: datetime | None = None
    last_step: int | None = None
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
        """Show another secret, as the one before was never confirmed.

        Raises:
            InvalidState: it was.
        """
        if self.confirmed_at is not None:
            raise InvalidState("second_factor_exists")
        self.sealed_secret = sealed_secret
        self.begun_at = at

    def confirm(self, step: int | None, *, at: datetime) -> list[str]:
        """Take it for theirs from now on, since their app has given a code.

        Args:
            step: the time step whose code it is; None if of none.
            at: now.

        Returns:
            The recovery codes, this once.

        Raises:
            InvalidState: it was confirmed before.
            Unauthenticated: the code is none of the app's.
        """
        if self.confirmed_at is not None:
            raise InvalidState("second_factor_exists")
        self.use(step)
        self.confirmed_at = at
        return self.renew_recovery_codes()

    def use(self, step: int | None) -> None:
        """Take a code, once.

        Raises:
            Unauthenticated: it is none of the app's, or was used, or one after it was.
        """
        if step is None or (self.last_step is not None and step <= self.last_step):
            raise Unauthenticated("wrong_second_factor")
        self.last_step = step

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
