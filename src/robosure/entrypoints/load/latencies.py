"""Durations in an HDR histogram: cheap to record, and true in the far percentiles."""

from __future__ import annotations

import math
from typing import Any, Final

from hdrh.histogram import (  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # has no types
    HdrHistogram,
)

PERCENTILES: Final = (50.0, 90.0, 95.0, 99.0, 99.9)
_MICROSECONDS: Final = 1_000_000
_LONGEST: Final = 3600 * _MICROSECONDS
_DIGITS: Final = 3


class Latencies:
    """Durations from a microsecond to an hour, to three significant digits."""

    def __init__(self) -> None:
        self._histogram: Any = HdrHistogram(1, _LONGEST, _DIGITS)
        self._sum = 0.0
        self._longest = 0.0
        self.count = 0

    def record(self, seconds: float) -> None:
        """Add a duration; a negative one, of two clocks, counts as none."""
        self._histogram.record_value(
            min(_LONGEST, max(1, round(seconds * _MICROSECONDS)))
        )
        self._sum += max(0.0, seconds)
        self._longest = max(self._longest, seconds)
        self.count += 1

    def add(self, other: Latencies) -> None:
        """Add all that another has recorded."""
        self._histogram.add(other._histogram)
        self._sum += other._sum
        self._longest = max(self._longest, other._longest)
        self.count += other.count

    @property
    def mean(self) -> float:
        """Seconds on average; 0 where nothing was recorded."""
        return self._sum / self.count if self.count else 0.0

    @property
    def longest(self) -> float:
        """The longest, in seconds, exactly."""
        return self._longest

    def percentile(self, percent: float) -> float:
        """Return the seconds that so many percent of the durations do not exceed."""
        if not self.count:
            return 0.0
        found: int = self._histogram.get_value_at_percentile(percent)
        return min(found / _MICROSECONDS, self._longest)

    def octaves(self) -> list[tuple[float, int]]:
        """Return how many durations are below each power of two of microseconds.

        Returns:
            Pairs of an upper bound in seconds and a count, without the empty ones at
            both ends.
        """
        counts: dict[int, int] = {}
        for step in self._histogram.get_recorded_iterator():
            power = math.ceil(math.log2(step.value_iterated_to + 1))
            counts[power] = counts.get(power, 0) + step.count_added_in_this_iter_step
        if not counts:
            return []
        powers = range(min(counts), max(counts) + 1)
        return [(2**power / _MICROSECONDS, counts.get(power, 0)) for power in powers]

    def as_json(self) -> dict[str, Any]:
        """Return count, mean and percentiles in milliseconds.

        ``hdr`` is the whole histogram, of microseconds, in the interchange format that
        HdrHistogram's libraries and plotters read.
        """
        encoded: bytes = self._histogram.encode()
        return {
            "count": self.count,
            "mean_ms": _ms(self.mean),
            **{
                f"p{percent:g}_ms": _ms(self.percentile(percent))
                for percent in PERCENTILES
            },
            "max_ms": _ms(self.longest),
            "hdr": encoded.decode(),
        }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
