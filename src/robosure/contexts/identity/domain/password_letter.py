"""Letters by which people choose a password: who forgot theirs, or has none yet.

And letters about a second factor that is lost: one with a token that is asked for in
its place, and one that tells, without any, that it was taken off.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from robosure.contexts.identity.domain.organisation import normalised_email
from robosure.contexts.identity.domain.user import User
from robosure.kernel.aggregate import Aggregate

_MARK: Final = "rbp"
_TOKEN_BYTES: Final = 32
_FIRST_WAIT: Final = timedelta(minutes=1)
_LONGEST_WAIT: Final = timedelta(hours=1)
_MOST_DOUBLINGS: Final = 10


class LetterKind(StrEnum):
    """Why somebody gets one."""

    RESET = "reset"
    INVITATION = "invitation"
    SECOND_FACTOR = "second_factor"
    SECOND_FACTOR_LOST = "second_factor_lost"

    @property
    def rivals(self) -> frozenset[LetterKind]:
        """Those of which one of this kind ends whatever came before it."""
        if self in OF_PASSWORDS:
            return OF_PASSWORDS
        return OF_SECOND_FACTORS if self in OF_SECOND_FACTORS else frozenset()


OF_PASSWORDS: Final = frozenset({LetterKind.RESET, LetterKind.INVITATION})
OF_SECOND_FACTORS: Final = frozenset({LetterKind.SECOND_FACTOR})


LIFETIME_OF: Final = {
    LetterKind.RESET: timedelta(minutes=30),
    LetterKind.INVITATION: timedelta(hours=72),
    LetterKind.SECOND_FACTOR: timedelta(minutes=10),
    LetterKind.SECOND_FACTOR_LOST: timedelta(hours=72),
}
"""For how long its token is good, and for how long it is tried to send it."""


@dataclass(eq=False, kw_only=True)
class PasswordLetter(Aggregate):
    """One such letter, from when it is asked for until its token is used or over.

    The token is made when the letter is written, and is in the letter alone; what is
    sent again has another one.

    Attributes:
        email: where it goes, whether or not that is anybody's.
        user_id: who gets it; None until it is written.
        about_id: whom it tells of, where that is somebody else perhaps.
        due_at: when to send it, or to try again; None once that is settled.
        digest: SHA-256 of the token. It has 256 random bits, so a slow hash would
            protect nothing.
        expires_at: until when the token is good.
    """

    kind: LetterKind
    email: str
    user_id: UUID | None = None
    about_id: UUID | None = None
    requested_at: datetime
    due_at: datetime | None
    attempts: int = 0
    digest: bytes | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    @classmethod
    def reset(cls, email: str, *, at: datetime) -> PasswordLetter:
        """Ask for one to whoever has that address.

        Raises:
            Invalid: it is none.
        """
        return cls(
            kind=LetterKind.RESET,
            email=normalised_email(email),
            requested_at=at,
            due_at=at,
        )

    @classmethod
    def invitation(cls, user: User, *, at: datetime) -> PasswordLetter:
        """Ask for one to somebody who is to choose their first password."""
        return cls._to(user, LetterKind.INVITATION, at=at)

    @classmethod
    def second_factor(cls, user: User, *, at: datetime) -> PasswordLetter:
        """Ask for one to somebody who lost their second factor, and would sign in."""
        return cls._to(user, LetterKind.SECOND_FACTOR, at=at)

    @classmethod
    def second_factor_lost(
        cls, user: User, *, about: User, at: datetime
    ) -> PasswordLetter:
        """Ask for one that tells somebody that a second factor was taken off."""
        return cls._to(user, LetterKind.SECOND_FACTOR_LOST, about=about, at=at)

    @classmethod
    def _to(
        cls, user: User, kind: LetterKind, *, about: User | None = None, at: datetime
    ) -> PasswordLetter:
        return cls(
            kind=kind,
            email=user.email,
            user_id=user.id,
            about_id=about.id if about else None,
            requested_at=at,
            due_at=at,
        )

    @property
    def lifetime(self) -> timedelta:
        """For how long its token is good."""
        return LIFETIME_OF[self.kind]

    def write(self, user: User, *, at: datetime) -> str:
        """Return the token to put into it; one before is good no longer."""
        token = f"{_MARK}_{secrets.token_urlsafe(_TOKEN_BYTES)}"
        wait = _FIRST_WAIT * 2 ** min(self.attempts, _MOST_DOUBLINGS)
        self.user_id = user.id
        self.digest = digest_of_token(token)
        self.expires_at = at + self.lifetime
        self.attempts += 1
        self.due_at = at + min(wait, _LONGEST_WAIT)
        return token

    def settle(self) -> None:
        """Try no more to send it: it was taken, or never will be."""
        self.due_at = None

    def is_too_late_at(self, moment: datetime) -> bool:
        """Whether nobody waits for it any more."""
        return moment >= self.requested_at + self.lifetime

    def opens_at(self, moment: datetime) -> bool:
        """Whether its token is good at that moment."""
        return self.expires_at is not None and moment < self.expires_at


def digest_of_token(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
