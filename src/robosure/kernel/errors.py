"""What can go wrong in the business, in words that know nothing of HTTP.

A domain error has a stable ``code``, a ``kind`` and details, and where several fields
are wrong at once, an error for each. One table in ``platform.http.problems`` maps kinds
to statuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class ErrorKind(StrEnum):
    """How a failure is to be understood, whatever carries it outside."""

    MALFORMED = "malformed"
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    STALE = "stale"
    NOT_YET_KNOWN = "not_yet_known"
    TOO_LARGE = "too_large"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class FieldError:
    """One field that is wrong.

    Attributes:
        field: where, as a dotted path within the value that is refused.
        code: stable name of the rule that it breaks, in snake_case.
        detail: the rule, in words.
    """

    field: str
    code: str
    detail: str

    def __str__(self) -> str:
        """Read as the place and its rule."""
        return f"{self.field}: {self.detail}"


class DomainError(Exception):
    """A refusal that the caller can understand and act upon.

    Attributes:
        code: stable, in snake_case; part of the API.
        details: what a reader needs to act, JSON-serialisable after ``str``.
        errors: every field at fault, where it is fields that are.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.INVALID

    def __init__(
        self, code: str, *, errors: Sequence[FieldError] = (), **details: object
    ) -> None:
        super().__init__(code)
        self.code = code
        self.details = details
        self.errors = tuple(errors)

    def __str__(self) -> str:
        """Read as a sentence: the code, then the details and the fields at fault."""
        return self.sentence(self.details)

    def sentence(self, details: Mapping[str, object]) -> str:
        """Read as one with these details instead, such as what may be shown of them."""
        words = self.code.replace("_", " ")
        facts = [f"{key}={value}" for key, value in details.items()]
        told = ", ".join([*facts, *map(str, self.errors)])
        return f"{words} ({told})" if told else words


class Invalid(DomainError):
    """A value breaks a rule, whatever the state of the world."""


class Malformed(Invalid):
    """What was sent cannot even be read."""

    kind = ErrorKind.MALFORMED


class Unauthenticated(DomainError):
    """Nobody knows who is asking."""

    kind = ErrorKind.UNAUTHENTICATED


class Forbidden(DomainError):
    """The one who asks may not."""

    kind = ErrorKind.FORBIDDEN


class NotFound(DomainError):
    """There is no such thing, or none that the one who asks may see."""

    kind = ErrorKind.NOT_FOUND


class InvalidState(DomainError):
    """The thing exists, and its state refuses the action."""

    kind = ErrorKind.CONFLICT


class AlreadyExists(DomainError):
    """Another thing holds that unique name."""

    kind = ErrorKind.CONFLICT


class Stale(DomainError):
    """The thing was changed by someone else since it was read."""

    kind = ErrorKind.STALE


class NotYetKnown(DomainError):
    """Another context's fact has not arrived here yet; trying again will help."""

    kind = ErrorKind.NOT_YET_KNOWN


class TooLarge(DomainError):
    """More was sent than is taken at once."""

    kind = ErrorKind.TOO_LARGE


class LimitReached(DomainError):
    """It was done as often as it may be, for now.

    ``retry_after_seconds`` among the details says when to try again.
    """

    kind = ErrorKind.LIMITED


class Unavailable(DomainError):
    """Something this depends on does not answer; trying again will help."""

    kind = ErrorKind.UNAVAILABLE
