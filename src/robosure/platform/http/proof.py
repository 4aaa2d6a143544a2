"""Sensitive actions: whoever acts has proved just now who they are.

A token may be ten minutes old and its session days. Approving a payout, changing what
somebody may do, or making an API key asks for the person again (RFC 9470).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from robosure.kernel.errors import Forbidden, Unauthenticated
from robosure.platform.http.edge import Edge
from robosure.platform.security import Principal

RECENTLY: Final = timedelta(minutes=5)
_SECOND_FACTORS: Final = frozenset({"otp", "mfa"})
"""As methods of authentication (RFC 8176): here, or at their identity provider."""


class Proof:
    """When and how the one who asks has proved who they are."""

    def __init__(self, principal: Principal, edge: Edge) -> None:
        self._principal = principal
        self._now = edge.runtime.clock.now()
        self._needs_second_factor = edge.runtime.settings.needs_second_factor

    def require_for_what_is_sensitive(self) -> None:
        """Let pass as below, and by a second factor where this installation wants one.

        Raises:
            Forbidden: it is an API key, or the person has none.
            Unauthenticated: it was longer ago.
        """
        has_none = _SECOND_FACTORS.isdisjoint(self._principal.factors)
        if self._needs_second_factor and has_none:
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
