"""What a provider says of somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

_LONGEST_NAME: Final = 200
_LONGEST_VALUES: Final = 1_000


@dataclass(frozen=True)
class Authentication:
    """How somebody signed in at their provider, as it has signed.

    Attributes:
        acr: how strongly (OpenID Connect Core 1.0, section 2); None if it is not said.
        amr: by which methods (RFC 8176).
        authenticated_at: when.
        session: by which the provider knows their session there.
    """

    acr: str | None = None
    amr: tuple[str, ...] = ()
    authenticated_at: datetime | None = None
    session: str | None = None


@dataclass(frozen=True)
class Assertion:
    """Who somebody is, as their provider says.

    Attributes:
        issuer: who says so.
        subject: names them there, for good; no other claim does.
        claims: all that was said, none of it ours.
        authentication: how they signed in there; of plain OAuth 2 nothing is known.
        sign_out_url: where they sign out there, if they can.
    """

    issuer: str
    subject: str
    claims: Mapping[str, Any]
    authentication: Authentication = field(default_factory=Authentication)
    sign_out_url: str | None = None

    @property
    def email(self) -> str | None:
        """Their address; None if the provider says that it has not been verified."""
        email = self.claims.get("email")
        verified = self.claims.get("email_verified", True)
        if not isinstance(email, str) or verified not in (True, "true"):
            return None
        return email

    @property
    def name(self) -> str | None:
        """What they are called, if it can be written on a line."""
        for claim in ("name", "preferred_username", "login"):
            said = self.claims.get(claim)
            name = said.strip() if isinstance(said, str) else ""
            if name and name.isprintable():
                return name[:_LONGEST_NAME]
        return None

    def values_of(self, claim: str | None) -> frozenset[str]:
        """Return the texts that a claim holds.

        Args:
            claim: its name; or, where there is none of that name, a way with dots
                through objects: ``realm_access.roles``. None is no claim.
        """
        if claim is None:
            return frozenset()
        said = self.claims.get(claim)
        if said is None:
            said = self.claims
            for part in claim.split("."):
                said = _part_of(said, part)
        if isinstance(said, str):
            return frozenset({said})
        if not isinstance(said, list):
            return frozenset()
        values = cast("Sequence[object]", said)[:_LONGEST_VALUES]
        return frozenset(each for each in values if isinstance(each, str))


def _part_of(said: Any, name: str) -> Any:
    return cast("Mapping[str, Any]", said).get(name) if isinstance(said, dict) else None
