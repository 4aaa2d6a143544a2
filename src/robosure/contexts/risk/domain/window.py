"""Windows and days: a robot's time cut in pieces, and how their sum stays cheap.

A window of ten minutes is summed up again only where samples arrived for it, and from
its first sample only where one of them arrived late. Windows add up to days and days to
the whole, and both sums are kept up to their last part, which may still grow. So what
follows costs its window, and what is late its window, its day and the sum of the days.
All of these shortcuts are exact, since exposures of adjacent spans add up exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Final, Protocol

from robosure.contexts.risk.domain.exposure import Exposure
from robosure.contexts.risk.domain.sample import (
    EPOCH,
    MICROSECOND,
    Sample,
    moment_of,
)

WINDOW: Final = timedelta(minutes=10)
_WINDOW_US: Final = WINDOW // MICROSECOND
_DAY: Final = timedelta(days=1)


def window_start(moment: datetime) -> datetime:
    """Return when the window that the moment falls in began."""
    return moment - (moment - EPOCH) % WINDOW


def day_start(moment: datetime) -> datetime:
    """Return when the day (UTC) that the moment falls in began."""
    return datetime.combine(moment.date(), time(), tzinfo=UTC)


def by_window(samples: Iterable[Sample]) -> dict[datetime, list[Sample]]:
    """Part samples by the starts of the windows that they fall in."""
    parts: dict[int, list[Sample]] = {}
    for sample in samples:
        number = sample[0] // _WINDOW_US
        part = parts.get(number)
        if part is None:
            part = parts[number] = []
        part.append(sample)
    return {moment_of(number * _WINDOW_US): part for number, part in parts.items()}


class Part(Protocol):
    """A piece of a robot's time, and what it was exposed to in it."""

    @property
    def starts_at(self) -> datetime:
        """When it began."""
        ...

    @property
    def exposure(self) -> Exposure:
        """What it says."""
        ...


@dataclass(frozen=True)
class Settled:
    """The sum of consecutive parts up to one.

    Attributes:
        exposure: of every part before ``until``.
        until: start of the last part summed up so far; None if there is none.
    """

    exposure: Exposure = field(default_factory=Exposure)
    until: datetime | None = None

    def before(self, change: datetime | None) -> Settled:
        """Return what still holds if parts changed from that one on."""
        if change is not None and self.until is not None and change < self.until:
            return Settled()
        return self

    def extended(self, parts: Sequence[Part]) -> tuple[Settled, Exposure]:
        """Add every part from ``until`` on, in order of time.

        Returns:
            The sum of all but the last, which may still grow; and of all.
        """
        if not parts:
            return self, self.exposure
        exposure = self.exposure
        for part in parts[:-1]:
            exposure += part.exposure
        last = parts[-1]
        return Settled(exposure, last.starts_at), exposure + last.exposure


@dataclass(frozen=True)
class Window:
    """Ten minutes of one robot.

    Attributes:
        exposure: of the samples that it was last summed up from.
    """

    starts_at: datetime
    exposure: Exposure = field(default_factory=Exposure)

    @property
    def ends_at(self) -> datetime:
        """When the next one begins."""
        return self.starts_at + WINDOW

    def is_followed_by(self, first_at: datetime) -> bool:
        """Whether samples from then on are later than all in it, so that they add up.

        If not, some may even be among those it was summed up from.
        """
        last_at = self.exposure.last_at
        return last_at is None or last_at < first_at

    def extended(self, samples: Sequence[Sample]) -> Window:
        """Add samples that follow."""
        return Window(self.starts_at, self.exposure + Exposure.of(samples))


@dataclass(frozen=True)
class Day:
    """A day (UTC) of one robot.

    Attributes:
        settled: of its windows; of all of them, and until its end, once it is over.
        exposure: of the whole day. Of one that is not over, only as good as
            ``settled`` until it is summed up.
    """

    starts_at: datetime
    settled: Settled
    exposure: Exposure

    @classmethod
    def kept(cls, starts_at: datetime, settled: Settled | None = None) -> Day:
        """Return it as of when it was summed up; None is never."""
        settled = settled or Settled()
        return cls(starts_at, settled, settled.exposure)

    @property
    def ends_at(self) -> datetime:
        """When the next one begins."""
        return self.starts_at + _DAY

    @property
    def is_over(self) -> bool:
        """Whether it is settled as a whole."""
        return self.settled.until == self.ends_at

    def before(self, change: datetime | None) -> Day:
        """Return what still holds if windows changed from that one on."""
        return Day.kept(self.starts_at, self.settled.before(change))

    def extended(self, windows: Sequence[Window], *, over: bool) -> Day:
        """Sum it up.

        Args:
            windows: those from ``settled.until`` on, in order of time.
            over: whether a later day has begun.
        """
        settled, exposure = self.settled.extended(windows)
        if over:
            settled = Settled(exposure, self.ends_at)
        return Day(self.starts_at, settled, exposure)
