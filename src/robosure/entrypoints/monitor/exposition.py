"""Prometheus' text format, read into counters, gauges and distributions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Distribution:
    """A histogram: how many durations do not exceed each bound, in seconds.

    Attributes:
        buckets: by bound, the last of which is infinite; each counts those below too.
        sum: of all durations.
    """

    buckets: Mapping[float, float]
    sum: float

    @property
    def count(self) -> float:
        """How many durations there are."""
        return self.buckets.get(math.inf, 0.0)

    @property
    def mean(self) -> float | None:
        """Seconds on average; None where there are none."""
        return self.sum / self.count if self.count else None

    def since(self, earlier: Distribution | None) -> Distribution:
        """Return what was added; all of it where the process has begun anew."""
        if earlier is None or earlier.count > self.count:
            return self
        return Distribution(
            {
                bound: count - earlier.buckets.get(bound, 0.0)
                for bound, count in self.buckets.items()
            },
            self.sum - earlier.sum,
        )

    def plus(self, other: Distribution) -> Distribution:
        """Return both together."""
        bounds = sorted({*self.buckets, *other.buckets})
        return Distribution(
            {
                bound: self.buckets.get(bound, 0.0) + other.buckets.get(bound, 0.0)
                for bound in bounds
            },
            self.sum + other.sum,
        )

    def quantile(self, share: float) -> float | None:
        """Return the seconds that this share does not exceed; None of nothing.

        Within a bucket durations count as evenly spread, as Prometheus has it; what is
        beyond the last bound counts as that bound.
        """
        if not self.count:
            return None
        wanted = share * self.count
        below, lower = 0.0, 0.0
        for bound, count in sorted(self.buckets.items()):
            if count >= wanted and count > below:
                if math.isinf(bound):
                    return lower
                return lower + (bound - lower) * (wanted - below) / (count - below)
            below, lower = count, bound
        return lower


class Exposition:
    """All metrics of one moment."""

    def __init__(self, values: Mapping[str, Mapping[Labels, float]]) -> None:
        self._values = values

    @classmethod
    def parse(cls, text: str) -> Exposition:
        """Read Prometheus' text format.

        Raises:
            ValueError: it is something else.
        """
        values: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(sorted(sample.labels.items()))
                values[sample.name][labels] = sample.value
        return cls(values)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Yield a counter's or gauge's values with their labels."""
        for labels, value in self._values.get(name, {}).items():
            yield dict(labels), value

    def total(self, name: str, **labels: str) -> float | None:
        """Sum the values that carry these labels; None where there is none."""
        chosen = [
            value
            for found, value in self.samples(name)
            if labels.items() <= found.items()
        ]
        return sum(chosen) if chosen else None

    def names(self, name: str, label: str) -> set[str]:
        """Return what a label says on a metric's values."""
        return {found[label] for found, _ in self.samples(name) if label in found}

    def distributions(self, name: str) -> Iterator[tuple[dict[str, str], Distribution]]:
        """Yield a histogram's distributions with their labels."""
        buckets: defaultdict[Labels, dict[float, float]] = defaultdict(dict)
        for found, value in self.samples(f"{name}_bucket"):
            bound = float(found.pop("le"))
            buckets[tuple(sorted(found.items()))][bound] = value
        sums = self._values.get(f"{name}_sum", {})
        for labels, counted in buckets.items():
            yield dict(labels), Distribution(counted, sums.get(labels, 0.0))

    def distribution(self, name: str, **labels: str) -> Distribution | None:
        """Return a histogram over all that carry these labels; None of nothing."""
        whole: Distribution | None = None
        for found, each in self.distributions(name):
            if labels.items() <= found.items():
                whole = each if whole is None else whole.plus(each)
        return whole
