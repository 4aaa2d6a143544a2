"""Windows: a robot's time cut in tens of minutes, and how their sum stays cheap.

A window is summed up again only if samples arrived for it, and from its first sample
only if one of them arrived late. The sum of the windows before the last one is kept,
and made anew only if one of these changed. Both shortcuts are exact, since exposures of
adjacent spans add up exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from robosure.contexts.risk.domain.exposure import Exposure
from robosure.contexts.risk.domain.model import Limits
from robosure.contexts.risk.domain.sample import Sample

WINDOW: Final = timedelta(minutes=10)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def window_start(moment: datetime) -> datetime:
    """Return when the window that the moment falls in began."""
    return moment - (moment - EPOCH) % WINDOW


@dataclass(frozen=True)
class Window:
    """Ten minutes of one robot.

    Attributes:
        exposure: of the samples that it was last summed up from.
        stale_from: time of the earliest sample that arrived since; None if none did.
    """

    starts_at: datetime
    exposure: Exposure
    stale_from: datetime | None

    @property
    def ends_at(self) -> datetime:
        """When the next one begins."""
        return self.starts_at + WINDOW

    @property
    def reads_from(self) -> datetime:
        """From when on its samples are needed to bring it up to date."""
        last_at = self.exposure.last_at
        if self.stale_from is not None and last_at and self.stale_from > last_at:
            return self.stale_from
        return self.starts_at

    def refreshed(self, samples: Iterable[Sample]) -> Window:
        """Bring it up to date with its samples since :attr:`reads_from`."""
        kept = Exposure() if self.reads_from == self.starts_at else self.exposure
        return replace(self, exposure=kept + Exposure.of(samples), stale_from=None)


@dataclass(frozen=True)
class Settled:
    """The sum of a robot's windows up to one.

    Attributes:
        exposure: of every window before ``until``.
        until: start of the last window summed up so far; None if there is none.
    """

    exposure: Exposure = field(default_factory=Exposure)
    until: datetime | None = None

    def before(self, change: datetime | None) -> Settled:
        """Return what still holds if windows changed from that one on."""
        if change is not None and self.until is not None and change < self.until:
            return Settled()
        return self

    def extended(self, windows: Sequence[Window]) -> tuple[Settled, Exposure]:
        """Add every window from ``until`` on, in order of time.

        Returns:
            The sum of all but the last, which may still grow; and of all.
        """
        if not windows:
            return self, self.exposure
        exposure = self.exposure
        for window in windows[:-1]:
            exposure += window.exposure
        last = windows[-1]
        return Settled(exposure, last.starts_at), exposure + last.exposure


@dataclass(frozen=True)
class RiskSubject:
    """A robot to be scored.

    Attributes:
        limits: of its model.
        settled: what was summed up when it was last scored.
        score_id: of its latest score; None before the first.
    """

    robot_id: UUID
    limits: Limits
    settled: Settled
    score_id: UUID | None
