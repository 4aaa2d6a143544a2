"""An endpoint's health: what its latest answers say about whether to go on sending.

It is kept beside the endpoint and not within it: it changes with every attempt, and
must not make stale what somebody is editing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

HOLD_AFTER: Final = 10
"""Failures in a row after which an endpoint is held: asked once in a while only."""

FIRST_HOLD: Final = timedelta(minutes=1)
LONGEST_HOLD: Final = timedelta(hours=1)

GIVEN_UP_AFTER: Final = timedelta(days=5)
"""How long nothing but failure is put up with."""

AT_ONCE: Final = 4
"""How many deliveries to one endpoint are under way at a time."""


@dataclass(eq=False)
class EndpointHealth:
    """How an endpoint has been answering.

    Attributes:
        failures: in a row, up to now.
        holds: how often it was held for them.
        failing_since: of the first of them.
        held_until: until when nothing is sent; the next delivery after that is a
            probe, and only one is sent at a time until one succeeds.
        delivered_at: of the latest success.
    """

    endpoint_id: UUID
    failures: int = 0
    holds: int = 0
    failing_since: datetime | None = None
    held_until: datetime | None = None
    delivered_at: datetime | None = None

    def succeeded(self, *, at: datetime) -> None:
        """It took a delivery."""
        self.reset()
        self.delivered_at = at

    def failed(self, *, at: datetime, retry_after: timedelta | None) -> datetime:
        """It did not take a delivery.

        Args:
            at: now.
            retry_after: how long it asked to be left alone.

        Returns:
            Since when it has done nothing but fail.
        """
        self.failures += 1
        since = self.failing_since = self.failing_since or at
        # Others under way when it is held already end as part of the same failure.
        if self.failures >= HOLD_AFTER and (
            self.held_until is None or at >= self.held_until
        ):
            self._hold(at + min(LONGEST_HOLD, FIRST_HOLD * 2 ** min(self.holds, 10)))
            self.holds += 1
        if retry_after is not None:
            self._hold(at + retry_after)
        return since

    def given_up_at(self, moment: datetime) -> bool:
        """Whether it has failed for so long that nobody expects it to recover."""
        since = self.failing_since
        return since is not None and moment - since >= GIVEN_UP_AFTER

    def lift(self) -> None:
        """Ask it again at once, because somebody wants to know."""
        self.held_until = None

    def reset(self) -> None:
        """Forget the failures."""
        self.failures = 0
        self.holds = 0
        self.failing_since = None
        self.held_until = None

    def _hold(self, until: datetime) -> None:
        self.held_until = max(self.held_until or until, until)
