"""What two readings of the metrics say together: rates, percentiles, and states.

A figure is None where its metric is not exported, or where nothing happened between
the readings that it could be of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from robosure.entrypoints.monitor.exposition import Distribution, Exposition

_BUSIEST: Final = 5
_SERVER_ERROR: Final = "5"
_CLIENT_ERROR: Final = "4"
_HTTP: Final = "http_request_duration_seconds"


@dataclass(frozen=True)
class Reading:
    """The metrics of one moment.

    Attributes:
        at: when, for people.
        seconds: when, on a clock that only goes forward.
        checks: what is asked for readiness, and the answers; empty where unknown.
    """

    at: datetime
    seconds: float
    exposition: Exposition
    ready: bool
    checks: Mapping[str, str]


@dataclass(frozen=True)
class StreamFigures:
    """One consumer's state on one stream."""

    stream: str
    consumer: str | None
    received_per_second: float | None
    lag: float | None
    oldest_seconds: float | None
    lanes: float | None


@dataclass(frozen=True)
class ConsumerFigures:
    """One consumer's work."""

    consumer: str
    processed_per_second: float | None
    failed_per_second: float | None
    latency_p50: float | None
    latency_p95: float | None
    latency_p99: float | None
    seconds_per_batch: float | None
    events_per_batch: float | None
    dead_letters: float | None


@dataclass(frozen=True)
class EndpointFigures:
    """One route's traffic."""

    endpoint: str
    per_second: float
    p95: float | None


@dataclass(frozen=True)
class HttpFigures:
    """All traffic over HTTP, and the busiest routes."""

    per_second: float | None
    client_errors_per_second: float | None
    server_errors_per_second: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    busiest: tuple[EndpointFigures, ...]


@dataclass(frozen=True)
class Totals:
    """What is shown over time."""

    received_per_second: float | None
    processed_per_second: float | None
    failed_per_second: float | None
    latency_p95: float | None
    lag: float | None
    dead_letters: float | None


@dataclass(frozen=True)
class Figures:
    """Everything that is shown of one interval.

    Attributes:
        workers: how many processes own lanes or wait for some, where the metrics tell
            processes apart.
    """

    at: datetime
    seconds: float
    ready: bool
    checks: Mapping[str, str]
    totals: Totals
    streams: tuple[StreamFigures, ...]
    consumers: tuple[ConsumerFigures, ...]
    workers: int | None
    outbox_depth: float | None
    outbox_oldest_seconds: float | None
    http: HttpFigures


def figures(now: Reading, before: Reading) -> Figures:
    """Compare two readings."""
    interval = _Interval(now, before)
    exposition = now.exposition
    return Figures(
        at=now.at,
        seconds=round(now.seconds - before.seconds, 3),
        ready=now.ready,
        checks=dict(now.checks),
        totals=Totals(
            received_per_second=interval.rate("events_received_total"),
            processed_per_second=interval.rate("events_processed_total"),
            failed_per_second=interval.rate("events_failed_total"),
            latency_p95=_quantile(interval.grown("event_latency_seconds"), 0.95),
            lag=exposition.total("stream_lag"),
            dead_letters=exposition.total("dead_letters"),
        ),
        streams=tuple(_streams(interval)),
        consumers=tuple(_consumers(interval)),
        workers=len(exposition.names("stream_lanes", "pid")) or None,
        outbox_depth=exposition.total("outbox_depth"),
        outbox_oldest_seconds=exposition.total("outbox_oldest_seconds"),
        http=_http(interval),
    )


class _Interval:
    """From one reading to the next."""

    def __init__(self, now: Reading, before: Reading) -> None:
        self.now, self._before = now.exposition, before.exposition
        self._seconds = max(1e-9, now.seconds - before.seconds)

    def rate(self, name: str, **labels: str) -> float | None:
        """Return by how much a counter grows per second."""
        total = self.now.total(name, **labels)
        if total is None:
            return None
        earlier = self._before.total(name, **labels) or 0.0
        # A counter that has fallen is one of a process that began anew.
        grown = total if total < earlier else total - earlier
        return grown / self._seconds

    def grown(self, name: str, **labels: str) -> Distribution | None:
        """Return what was added to a histogram."""
        total = self.now.distribution(name, **labels)
        if total is None:
            return None
        return total.since(self._before.distribution(name, **labels))

    def per_second(self, count: float) -> float:
        """Spread a number over the interval."""
        return count / self._seconds


def _streams(interval: _Interval) -> list[StreamFigures]:
    """Each consumer of each stream; a stream that has none yet stands alone."""
    now = interval.now
    gauges = ("stream_lag", "stream_oldest_seconds", "stream_lanes")
    pairs = {
        (labels["stream"], labels["consumer"])
        for name in gauges
        for labels, _ in now.samples(name)
    }
    received = now.names("events_received_total", "stream")
    alone = received - {stream for stream, _ in pairs}
    rows = sorted(pairs) + [(stream, None) for stream in sorted(alone)]
    found: list[StreamFigures] = []
    for stream, consumer in rows:
        labels = {"stream": stream}
        rate = interval.rate("events_received_total", **labels)
        if consumer is None:
            found.append(StreamFigures(stream, None, rate, None, None, None))
            continue
        labels["consumer"] = consumer
        lag, oldest, lanes = (now.total(name, **labels) for name in gauges)
        found.append(StreamFigures(stream, consumer, rate, lag, oldest, lanes))
    return found


def _consumers(interval: _Interval) -> list[ConsumerFigures]:
    metrics = (
        "events_processed_total",
        "events_failed_total",
        "event_processing_seconds_count",
        "dead_letters",
    )
    names = {name for each in metrics for name in interval.now.names(each, "consumer")}
    return [_consumer(interval, name) for name in sorted(names)]


def _consumer(interval: _Interval, name: str) -> ConsumerFigures:
    latency = interval.grown("event_latency_seconds", consumer=name)
    spent = interval.grown("event_processing_seconds", consumer=name)
    size = interval.grown("event_batch_size", consumer=name)
    return ConsumerFigures(
        consumer=name,
        processed_per_second=interval.rate("events_processed_total", consumer=name),
        failed_per_second=interval.rate("events_failed_total", consumer=name),
        latency_p50=_quantile(latency, 0.5),
        latency_p95=_quantile(latency, 0.95),
        latency_p99=_quantile(latency, 0.99),
        seconds_per_batch=spent.mean if spent else None,
        events_per_batch=size.mean if size else None,
        dead_letters=interval.now.total("dead_letters", consumer=name),
    )


def _http(interval: _Interval) -> HttpFigures:
    whole = interval.grown(_HTTP)
    statuses = interval.now.names(f"{_HTTP}_count", "status")

    def rate_of(first_digit: str) -> float | None:
        if whole is None:
            return None
        rates = (
            interval.rate(f"{_HTTP}_count", status=status)
            for status in statuses
            if status.startswith(first_digit)
        )
        return sum(rate or 0.0 for rate in rates)

    return HttpFigures(
        per_second=None if whole is None else interval.per_second(whole.count),
        client_errors_per_second=rate_of(_CLIENT_ERROR),
        server_errors_per_second=rate_of(_SERVER_ERROR),
        p50=_quantile(whole, 0.5),
        p95=_quantile(whole, 0.95),
        p99=_quantile(whole, 0.99),
        busiest=_busiest(interval),
    )


def _busiest(interval: _Interval) -> tuple[EndpointFigures, ...]:
    found: list[EndpointFigures] = []
    for endpoint in interval.now.names(f"{_HTTP}_count", "endpoint"):
        grown = interval.grown(_HTTP, endpoint=endpoint)
        if grown is not None and grown.count:
            rate = interval.per_second(grown.count)
            found.append(EndpointFigures(endpoint, rate, grown.quantile(0.95)))
    found.sort(key=lambda each: (-each.per_second, each.endpoint))
    return tuple(found[:_BUSIEST])


def _quantile(distribution: Distribution | None, share: float) -> float | None:
    return None if distribution is None else distribution.quantile(share)
