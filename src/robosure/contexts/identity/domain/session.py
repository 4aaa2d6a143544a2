"""Sessions: how long somebody stays signed in, and the tokens that carry it on.

A refresh token is used once: it is answered by the next one (RFC 9700, section 4.14.2).
A session is the family of all of them; whoever uses one that is spent has stolen it, or
was stolen from, so it ends the session.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from robosure.contexts.identity.domain.vouching import Vouching
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Unauthenticated

GRACE: Final = timedelta(seconds=10)
"""For so long the predecessor of a refresh token gives that token again: to a page that
asks twice at once, and to a client that lost the answer."""

_MARK: Final = "rbr"
"""Begins every refresh token, so that scanners for leaked secrets recognise one."""
_USER_AGENT_LENGTH: Final = 500
_PURPOSE: Final = b"robosure refresh token\n"
_GENERATION_BYTES: Final = 4
_ID_BYTES: Final = 16
_MAC_BYTES: Final = 32


class Factor(StrEnum):
    """How somebody proved who they are (RFC 8176)."""

    PASSWORD = "pwd"  # nosec B105 # noqa: S105 - the name of a method
    ONE_TIME_CODE = "otp"
    FEDERATED = "fed"
    """As their organisation's identity provider says; there is no name for it."""
    MULTIPLE = "mfa"
    """More than one, as that provider says."""


class Ending(StrEnum):
    """Why a session is over before its time."""

    SIGNED_OUT = "signed_out"
    REVOKED = "revoked"
    TOKEN_REUSED = "refresh_token_reused"  # nosec B105 # noqa: S105 - a reason
    PASSWORD_CHANGED = "password_changed"  # nosec B105 # noqa: S105 - a reason
    ACCESS_CHANGED = "access_changed"
    CODE_REUSED = "code_reused"
    PROVIDER_SIGNED_OUT = "provider_signed_out"


@dataclass(eq=False, kw_only=True)
class Session(Aggregate):
    """One sign-in and what follows of it.

    Attributes:
        authenticated_at: when they last proved who they are.
        factors: how they did.
        refreshed_at: when the current refresh token was first given.
        generation: which of the session's refresh tokens that is, from 1 on.
        proven_generation: the first one since they last proved who they are; tokens of
            those before it are good no longer.
        second_factor_due: whether it is good for nothing but setting up a second
            factor, since it takes two to do more.
        expires_at: when it is over in any case.
        address: where it began.
        user_agent: what it began with, as it calls itself.
        vouching: what their provider said, if it began by one.
    """

    organisation_id: UUID
    user_id: UUID
    started_at: datetime
    authenticated_at: datetime
    factors: tuple[str, ...]
    refreshed_at: datetime
    generation: int
    expires_at: datetime
    address: str
    user_agent: str | None
    proven_generation: int = 1
    second_factor_due: bool = False
    vouching: Vouching | None = None
    ended_at: datetime | None = None
    ended_because: Ending | None = None

    @classmethod
    def begin(
        cls,
        *,
        organisation_id: UUID,
        user_id: UUID,
        factors: Collection[Factor],
        at: datetime,
        lifetime: timedelta,
        address: str,
        user_agent: str | None = None,
        second_factor_due: bool = False,
        vouching: Vouching | None = None,
    ) -> Session:
        """Begin one for somebody who has just proved who they are.

        Or whom a provider vouches for: then when they did, and for how long that is
        good, is what is certain of that.
        """
        expires_at = at + lifetime
        if vouching is not None and vouching.ends_at is not None:
            expires_at = min(expires_at, vouching.ends_at)
        return cls(
            organisation_id=organisation_id,
            user_id=user_id,
            started_at=at,
            authenticated_at=at if vouching is None else vouching.proven_at,
            factors=tuple(sorted(set(factors))),
            refreshed_at=at,
            generation=1,
            expires_at=expires_at,
            address=address,
            user_agent=user_agent and user_agent[:_USER_AGENT_LENGTH],
            second_factor_due=second_factor_due,
            vouching=vouching,
        )

    def refresh(self, generation: int, *, at: datetime, idle: timedelta) -> bool:
        """Take a refresh token of that generation, and go on to the next.

        Args:
            generation: which one was presented.
            at: now.
            idle: how long a token may lie unused.

        Returns:
            Whether it is good. Otherwise it was spent: whoever has it has stolen it or
            was stolen from, and the session is to end.

        Raises:
            Unauthenticated: the session was over already; or its person has just
                proved again who they are, so that another token goes on.
        """
        if not self.is_live_at(at, idle=idle):
            raise Unauthenticated("session_over")
        has_grace = at < self.refreshed_at + GRACE
        if generation == self.generation - 1 and has_grace:
            # To the predecessor of a proof, what was proven is not given.
            self.check_not_superseded(generation)
        if generation == self.generation:
            self.generation += 1
            self.refreshed_at = at
            return True
        return generation == self.generation - 1 and has_grace

    def prove(
        self, factor: Factor, *, at: datetime, second_factor_due: bool = False
    ) -> None:
        """Note that they have proved again who they are, and go on to other tokens.

        Those so far are good no longer: who has copied one has nothing of the proof
        (ASVS 7.2.4). Who does so without a second factor has none any more.

        Args:
            factor: how they did.
            at: now.
            second_factor_due: whether more is asked for than that; where it was before,
                the second factor alone ends it.
        """
        self.generation += 1
        self.refreshed_at = at
        self.proven_generation = self.generation
        self.authenticated_at = at
        kept = set(self.factors) - {Factor.ONE_TIME_CODE, Factor.MULTIPLE}
        self.factors = tuple(sorted({*kept, factor}))
        if factor is Factor.ONE_TIME_CODE:
            self.second_factor_due = False
        elif second_factor_due:
            self.second_factor_due = True

    def check_not_superseded(self, generation: int) -> None:
        """Take tokens of a generation for good still.

        Raises:
            Unauthenticated: their person has proved again since then who they are.
        """
        if generation < self.proven_generation:
            raise Unauthenticated("token_superseded")

    def end(self, because: Ending, *, at: datetime) -> None:
        """End it; one that is over stays as it is."""
        if self.ended_at is None:
            self.ended_at = at
            self.ended_because = because

    def is_live_at(self, moment: datetime, *, idle: timedelta) -> bool:
        """Whether it can go on at that moment."""
        if self.ended_at is not None:
            return False
        return moment < min(self.expires_at, self.refreshed_at + idle)


class RefreshTokens:
    """Writes refresh tokens, and reads them back.

    A token names its session and its generation, and proves by an HMAC (RFC 2104, with
    SHA-256) that it is ours. So the same one can be given again, and the database holds
    nothing that would open anything.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Write with a key.

        Args:
            keys: the first one writes, each of them reads; at least one.
        """
        self._keys = [key.encode() for key in keys]

    def token_of(self, session: Session) -> str:
        """Return the session's current one."""
        generation = session.generation.to_bytes(_GENERATION_BYTES)
        body = session.id.bytes + generation
        signed = base64.urlsafe_b64encode(body + _mac(self._keys[0], body)).decode()
        return f"{_MARK}_{signed.rstrip('=')}"

    def read(self, token: str) -> tuple[UUID, int]:
        """Return of which session it is, and of which generation.

        Raises:
            Unauthenticated: it is none of ours.
        """
        mark, _, signed = token.partition("_")
        try:
            raw = base64.b64decode(
                signed + "=" * (-len(signed) % 4), altchars=b"-_", validate=True
            )
        except ValueError:
            raw = b""
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        proven = any(hmac.compare_digest(_mac(key, body), mac) for key in self._keys)
        if mark != _MARK or not proven:
            raise Unauthenticated("invalid_refresh_token")
        return UUID(bytes=body[:_ID_BYTES]), int.from_bytes(body[_ID_BYTES:])


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + body, hashlib.sha256)
