"""Prometheus metrics: the platform's own, and a way to make a context's.

In the embedded stack several processes write to ``PROMETHEUS_MULTIPROC_DIR`` and the
API shows the sum of them all.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Sequence
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class ManyHistogram(Histogram):
    """A histogram that takes several values with as many writes as one needs."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observe each of these; the labels are chosen, if there are any."""
        self._sum.inc(sum(amounts))
        places = [bisect_left(self._upper_bounds, amount) for amount in amounts]
        for place, count in Counts(places).items():
            self._buckets[place].inc(count)


HTTP_REQUEST_SECONDS: Final = ManyHistogram(
    "http_request_duration_seconds",
    "Time to answer a request, by route template.",
    ["method", "endpoint", "status"],
)
APP_ERRORS: Final = Counter(
    "app_errors_total", "Requests that ended in an error.", ["error_type", "endpoint"]
)
HTTP_LIMITED: Final = Counter(
    "http_requests_limited_total", "Requests refused by a rate limit.", ["limit"]
)
EVENTS_RECEIVED: Final = Counter(
    "events_received_total", "Events accepted for processing.", ["stream"]
)
_WORK: Final = ("stream", "consumer")
EVENTS_PROCESSED: Final = Counter(
    "events_processed_total", "Events whose effects are committed.", _WORK
)
EVENTS_FAILED: Final = Counter(
    "events_failed_total", "Events put aside after failing.", _WORK
)
EVENT_PROCESSING_SECONDS: Final = Histogram(
    "event_processing_seconds", "Time to process a batch or an event.", _WORK
)
EVENT_LATENCY_SECONDS: Final = ManyHistogram(
    "event_latency_seconds",
    "Time from an entry's acceptance to the commit of its effects.",
    _WORK,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600),
)
EVENT_BATCH_SIZE: Final = Histogram(
    "event_batch_size",
    "Events whose effects were committed together.",
    _WORK,
    buckets=(1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000),
)
STREAM_LAG: Final = Gauge(
    "stream_lag",
    "Entries of a stream that a consumer group has not acknowledged.",
    ["stream", "consumer"],
    multiprocess_mode="livemostrecent",
)
STREAM_OLDEST_SECONDS: Final = Gauge(
    "stream_oldest_seconds",
    "Age of the oldest entry that a consumer group has not acknowledged.",
    ["stream", "consumer"],
    multiprocess_mode="livemostrecent",
)
STREAM_LANES: Final = Gauge(
    "stream_lanes",
    "Partitions of a stream that are being worked on.",
    ["stream", "consumer"],
    multiprocess_mode="liveall",
)
DEAD_LETTERS: Final = Gauge(
    "dead_letters",
    "Events put aside that still wait to be handled.",
    ["consumer"],
    multiprocess_mode="livemostrecent",
)
STREAM_DURABLE: Final = Gauge(
    "stream_durable",
    "Whether the event bus keeps whatever it has answered for: 1, or else 0.",
    multiprocess_mode="livemostrecent",  # of others, who never looked, it would be 0
)
STREAM_FILL: Final = Gauge(
    "stream_fill",
    "How full the event bus's memory is, from 0 to 1; 0 where it has no limit.",
    multiprocess_mode="livemostrecent",
)
OUTBOX_DEPTH: Final = Gauge(
    "outbox_depth", "Facts waiting to be relayed.", multiprocess_mode="livemostrecent"
)
OUTBOX_OLDEST_SECONDS: Final = Gauge(
    "outbox_oldest_seconds",
    "Age of the oldest fact waiting to be relayed.",
    multiprocess_mode="livemostrecent",
)
DATABASE_QUERY_SECONDS: Final = Histogram(
    "database_query_seconds", "Time a statement took, as the application sees it."
)
JOBS: Final = Counter("jobs_total", "Jobs run, by outcome.", ["job", "outcome"])


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    """Make a context's own counter; call it once, at module level."""
    return Counter(name, documentation, labels)


class Tally:
    """Adds to a counter once in a turn of the event loop, however often it is told to.

    To add to what several processes share takes longer than to take in an event.
    """

    def __init__(self, counter: Counter) -> None:
        """Add to this one, of which the labels are chosen."""
        self._counter = counter
        self._count = 0

    def add(self, count: int) -> None:
        """Add so many, as soon as what is ready to run has run."""
        if not self._count:
            asyncio.get_running_loop().call_soon(self._tell)
        self._count += count

    def _tell(self) -> None:
        count, self._count = self._count, 0
        self._counter.inc(count)


class Measurements:
    """Hands values to a histogram once in a turn of the event loop, as `Tally` does."""

    def __init__(self, histogram: ManyHistogram) -> None:
        """Hand them to this one, of which the labels are chosen."""
        self._histogram = histogram
        self._amounts: list[float] = []

    def add(self, amount: float) -> None:
        """Observe it, as soon as what is ready to run has run."""
        if not self._amounts:
            asyncio.get_running_loop().call_soon(self._tell)
        self._amounts.append(amount)

    def _tell(self) -> None:
        amounts, self._amounts = self._amounts, []
        self._histogram.observe_all(amounts)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format, of :data:`CONTENT_TYPE`."""
    return generate_latest(_registry())


def summary() -> dict[str, float]:
    """Return counters and gauges as plain numbers, for people.

    Histograms appear as their count and their mean in seconds.
    """
    shown: dict[str, float] = {}
    for metric in _registry().collect():
        for sample in metric.samples:
            if sample.name.endswith(("_bucket", "_created")):
                continue
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            shown[name] = round(sample.value, 6)
    return dict(sorted(shown.items()))


def _registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # its library has no types
    return registry
