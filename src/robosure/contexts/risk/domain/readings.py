"""Distributions of readings, counted in bins of a fixed width."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil
from typing import Final

_THOUSAND: Final = 1000


@dataclass(frozen=True)
class Distribution:
    """How often which readings occurred; two of them add up exactly.

    Attributes:
        bins: how many readings per bin. Bin ``n`` holds what is above ``n - 1`` and at
            most ``n`` times the bin's width.
        highest: the highest reading in thousandths; None where there is none.
    """

    bins: dict[int, int] = field(default_factory=dict[int, int])
    highest: int | None = None

    @property
    def readings(self) -> int:
        """How many there are."""
        return sum(self.bins.values())

    def above(self, bin_: int) -> int:
        """How many are above the bin's upper edge."""
        return sum(count for each, count in self.bins.items() if each > bin_)

    def quantile(self, percent: int) -> int | None:
        """Return the bin of the nearest-rank quantile; None without readings."""
        rank = -(-self.readings * percent // 100)
        for bin_, count in sorted(self.bins.items()):
            rank -= count
            if rank <= 0:
                return bin_
        return None

    def __add__(self, other: Distribution) -> Distribution:
        known = [each for each in (self.highest, other.highest) if each is not None]
        bins = self.bins.copy()
        for bin_, count in other.bins.items():
            bins[bin_] = bins.get(bin_, 0) + count
        return Distribution(bins, max(known, default=None))


NO_READINGS: Final = Distribution()


@dataclass(frozen=True)
class Scale:
    """What a bin is wide, for one kind of reading.

    Attributes:
        width: in thousandths of the unit.
    """

    width: int

    def count(self, readings: Iterable[int | None]) -> Distribution:
        """Count readings, in thousandths; the unknown are left out."""
        known = [each for each in readings if each is not None]
        width = self.width
        bins = Counter([-(-each // width) for each in known])
        return Distribution(dict(bins), max(known, default=None))

    def bin_of(self, limit: Decimal) -> int:
        """Return the bin that ends at the limit, or else the one that holds it.

        So a limit that is finer than the bins is taken up to the next edge, in favour
        of the robot.
        """
        return ceil(limit * _THOUSAND / self.width)

    def edge(self, bin_: int) -> Decimal:
        """Return the upper edge of a bin, in units."""
        return Decimal(bin_ * self.width) / _THOUSAND


CURRENT: Final = Scale(100)
"""Joint currents are counted in bins of 0.1 A."""
TEMPERATURE: Final = Scale(1000)
"""Joint temperatures are counted in bins of 1 degree Celsius."""
