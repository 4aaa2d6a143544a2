"""Sensitive actions: whoever acts has proved just now who they are.

A token may be ten minutes old and its session days. Approving a payout, changing what
somebody may do, or making an API key asks for the person again (RFC 9470).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import Depends

from robosure.kernel.errors import Forbidden, Unauthenticated
from robosure.platform.http.access import authenticate
from robosure.platform.http.edge import ClockDep, SettingsDep
from robosure.platform.security import Principal

RECENTLY: Final = timedelta(minutes=5)
_SECOND_FACTORS: Final = frozenset({"otp", "mfa"})
"""Methods that stand for a second factor (RFC 8176)."""


class Proof:
    """When and how the one who asks has proved who they are."""

    def __init__(
        self, principal: Principal, *, now: datetime, needs_second_factor: bool
    ) -> None:
        self._principal = principal
        self._now = now
        self._needs_second_factor = needs_second_factor

    def require_for_what_is_sensitive(self) -> None:
        """Let pass as below, and by a second factor where this installation wants one.

        Raises:
            Forbidden: it is an API key, or the person has none.
            Unauthenticated: it was longer ago.
        """
        if self._needs_second_factor and not self._principal.factors & _SECOND_FACTORS:
            self._require_person()
            raise Forbidden("second_factor_required")
        self.require_recent()

    def require_recent(self) -> None:
        """Let pass a person who has proved it within five minutes.

        Raises:
            Forbidden: it is an API key.
            Unauthenticated: it was longer ago; ``POST /auth/proof`` helps.
        """
        self._require_person()
        proven = self._principal.authenticated_at
        if proven is None or self._now >= proven + RECENTLY:
            raise Unauthenticated(
                "insufficient_user_authentication",
                max_age=int(RECENTLY.total_seconds()),
            )

    def _require_person(self) -> None:
        if self._principal.kind != "user":
            raise Forbidden("person_required")


def _proof(
    principal: Annotated[Principal, Depends(authenticate)],
    clock: ClockDep,
    settings: SettingsDep,
) -> Proof:
    return Proof(
        principal,
        now=clock.now(),
        needs_second_factor=settings.needs_second_factor,
    )


ProofDep = Annotated[Proof, Depends(_proof)]


def _require_recent(proof: ProofDep) -> None:
    proof.require_recent()


def _require_for_what_is_sensitive(proof: ProofDep) -> None:
    proof.require_for_what_is_sensitive()


def proven_recently() -> Any:
    """State that a route takes somebody who has just proved who they are."""
    return Depends(_require_recent)


def sensitive() -> Any:
    """State that it takes a second factor as well, where the installation says so."""
    return Depends(_require_for_what_is_sensitive)
