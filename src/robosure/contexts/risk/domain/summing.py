"""Summing up: what one robot's new samples do to its windows, its days and the whole.

It is told in steps what it needs, since robots are summed up in sets and what a set
needs is read at once: the days that may change, then windows of these, then the samples
of windows for which some arrived late.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from robosure.contexts.risk.domain.exposure import Exposure
from robosure.contexts.risk.domain.model import Limits
from robosure.contexts.risk.domain.sample import Sample
from robosure.contexts.risk.domain.window import (
    Day,
    Settled,
    Window,
    day_start,
)

ByWindow = Mapping[datetime, Sequence[Sample]]
"""Samples by the start of their window."""


@dataclass(frozen=True)
class RiskSubject:
    """A robot that may have to be scored.

    Attributes:
        limits: of its model.
        settled: of its days, when it was last summed up.
        stale: whether it is to be scored even if no telemetry arrived.
        score_id: of its latest score; None before the first.
        samples: that the latest score stands on.
    """

    robot_id: UUID
    limits: Limits
    settled: Settled
    stale: bool
    score_id: UUID | None
    samples: int | None


class Span(NamedTuple):
    """From a moment on until before another one."""

    since: datetime
    before: datetime


@dataclass(frozen=True)
class Sums:
    """A robot's sums, brought up to date.

    Attributes:
        windows: those that changed.
        days: those of which more is settled, or other things are.
        settled: of the days.
        exposure: of everything.
        closed: starts of windows that changed or just ended, and have ended.
    """

    windows: Sequence[Window]
    days: Sequence[Day]
    settled: Settled
    exposure: Exposure
    closed: Collection[datetime]


@dataclass
class Summing:
    """Brings one robot's sums up to date.

    Attributes:
        settled: of its days, when it was last summed up.
        arrived: by the start of their window, when the first of the new samples was;
            there may be none.
    """

    settled: Settled
    arrived: Mapping[datetime, datetime]
    _changes: dict[datetime, datetime] = field(init=False)
    _kept: dict[datetime, Day] = field(init=False)
    _days: list[Day] = field(init=False)
    _windows: dict[datetime, Window] = field(init=False)

    def __post_init__(self) -> None:
        """Find in which days something changes, and from when on."""
        self._changes = {}
        for start in sorted(self.arrived):
            self._changes.setdefault(day_start(start), start)
        self.settled = self.settled.before(min(self._changes, default=None))

    @property
    def days_since(self) -> datetime | None:
        """From when on its days are needed; None is all of them."""
        return self.settled.until

    def windows_of(self, days: Iterable[Day]) -> list[Span]:
        """Take the days; return of which spans the windows are needed."""
        self._kept = {day.starts_at: day for day in days}
        known = {start: Day.kept(start) for start in self._changes} | self._kept
        self._days = [
            known[start].before(self._changes.get(start)) for start in sorted(known)
        ]
        return [
            Span(day.settled.until or day.starts_at, day.ends_at)
            for day in self._days
            if not day.is_over
        ]

    def samples_of(self, windows: Iterable[Window]) -> list[datetime]:
        """Take the windows; return the starts of those whose samples are needed."""
        self._windows = {window.starts_at: window for window in windows}
        return [
            start
            for start, first_at in self.arrived.items()
            if start in self._windows
            and not self._windows[start].is_followed_by(first_at)
        ]

    def sum_up(self, arrived: ByWindow, *, earlier: ByWindow) -> Sums:
        """Sum up.

        Args:
            arrived: the new samples.
            earlier: those asked for, of windows for which some arrived late.
        """
        changed = [
            self._refreshed(start, samples, earlier.get(start))
            for start, samples in arrived.items()
        ]
        self._windows |= {window.starts_at: window for window in changed}
        days = self._summed_days()
        settled, exposure = self.settled.extended(days)
        last = max(self._windows, default=None)
        before = {day.settled.until for day in self._kept.values() if not day.is_over}
        return Sums(
            windows=changed,
            days=[day for day in days if self._is_new(day)],
            settled=settled,
            exposure=exposure,
            closed={
                start
                for start in {*self.arrived, *before}
                if start is not None and start != last
            },
        )

    def _refreshed(
        self,
        start: datetime,
        arrived: Sequence[Sample],
        earlier: Sequence[Sample] | None,
    ) -> Window:
        if earlier is not None:
            return Window(start, Exposure.of([*earlier, *arrived]))
        return self._windows.get(start, Window(start)).extended(arrived)

    def _summed_days(self) -> list[Day]:
        windows: dict[datetime, list[Window]] = {}
        for start in sorted(self._windows):
            windows.setdefault(day_start(start), []).append(self._windows[start])
        return [
            day
            if day.is_over
            else day.extended(
                windows.get(day.starts_at, ()), over=day is not self._days[-1]
            )
            for day in self._days
        ]

    def _is_new(self, day: Day) -> bool:
        kept = self._kept.get(day.starts_at)
        return kept is None or kept.settled != day.settled
