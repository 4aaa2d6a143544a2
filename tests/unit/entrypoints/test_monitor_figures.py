"""Two readings of real metrics, and the figures they make."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from robosure.entrypoints.monitor.exposition import Distribution, Exposition
from robosure.entrypoints.monitor.figures import Figures, Reading, figures

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Metrics:
    """What a running Robosure counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made: Any = {"registry": self.registry}
        on_stream = ["stream", "consumer"]
        self.received = Counter("events_received_total", "-", ["stream"], **made)
        self.processed = Counter("events_processed_total", "-", ["consumer"], **made)
        self.failed = Counter("events_failed_total", "-", ["consumer"], **made)
        self.latency = Histogram("event_latency_seconds", "-", ["consumer"], **made)
        self.spent = Histogram("event_processing_seconds", "-", ["consumer"], **made)
        self.size = Histogram("event_batch_size", "-", ["consumer"], **made)
        self.lag = Gauge("stream_lag", "-", on_stream, **made)
        self.oldest = Gauge("stream_oldest_seconds", "-", on_stream, **made)
        self.lanes = Gauge("stream_lanes", "-", [*on_stream, "pid"], **made)
        self.dead = Gauge("dead_letters", "-", ["consumer"], **made)
        self.outbox = Gauge("outbox_depth", "-", **made)
        self.http = Histogram(
            "http_request_duration_seconds",
            "-",
            ["method", "endpoint", "status"],
            **made,
        )

    def read(self, seconds: float) -> Reading:
        text = generate_latest(self.registry).decode()
        return Reading(NOON, seconds, Exposition.parse(text), ready=True, checks={})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def between(metrics: Metrics, before: Reading, seconds: float = 2.0) -> Figures:
    return figures(metrics.read(before.seconds + seconds), before)


def test_rates_are_what_was_added_over_the_seconds(metrics: Metrics) -> None:
    # given counters that stand somewhere
    metrics.received.labels("ingest").inc(1_000)
    metrics.processed.labels("risk").inc(900)
    before = metrics.read(10.0)
    # when 200 are received, 150 processed and 2 fail in two seconds
    metrics.received.labels("ingest").inc(200)
    metrics.processed.labels("risk").inc(150)
    metrics.failed.labels("risk").inc(2)
    found = between(metrics, before)
    # then that is 100, 75 and 1 per second
    assert found.totals.received_per_second == 100.0
    assert found.totals.processed_per_second == 75.0
    assert found.totals.failed_per_second == 1.0
    (stream,) = found.streams
    assert (stream.stream, stream.consumer) == ("ingest", None)
    assert stream.received_per_second == 100.0
    (consumer,) = found.consumers
    assert consumer.consumer == "risk"
    assert consumer.processed_per_second == 75.0
    assert consumer.failed_per_second == 1.0


def test_a_counter_that_has_begun_anew_is_counted_from_nothing() -> None:
    # given a process that had counted 500, and another that counts 20 since
    old, new = Metrics(), Metrics()
    old.received.labels("ingest").inc(500)
    new.received.labels("ingest").inc(20)
    found = figures(new.read(12.0), old.read(10.0))
    assert found.totals.received_per_second == 10.0


def test_lag_age_leases_and_workers_are_said_as_they_are(metrics: Metrics) -> None:
    before = metrics.read(10.0)
    metrics.lag.labels("ingest", "risk").set(42)
    metrics.oldest.labels("ingest", "risk").set(1.5)
    metrics.lanes.labels("ingest", "risk", "71").set(3)
    metrics.lanes.labels("ingest", "risk", "72").set(5)
    metrics.dead.labels("risk").set(4)
    metrics.outbox.set(6)
    found = between(metrics, before)
    (stream,) = found.streams
    assert (stream.lag, stream.oldest_seconds, stream.lanes) == (42, 1.5, 8)
    assert found.workers == 2
    assert found.totals.lag == 42
    assert found.totals.dead_letters == 4
    assert found.outbox_depth == 6
    (consumer,) = found.consumers
    assert consumer.dead_letters == 4


def test_a_worker_that_waits_for_lanes_is_counted(metrics: Metrics) -> None:
    before = metrics.read(10.0)
    metrics.lanes.labels("ingest", "risk", "71").set(0)
    metrics.lanes.labels("ingest", "risk", "72").set(8)
    assert between(metrics, before).workers == 2


def test_latencies_are_of_the_interval_and_not_of_all_time(metrics: Metrics) -> None:
    # given a slow past
    for _ in range(1_000):
        metrics.latency.labels("risk").observe(8.0)
    before = metrics.read(10.0)
    # when a hundred fast ones come
    for _ in range(100):
        metrics.latency.labels("risk").observe(0.04)
    metrics.spent.labels("risk").observe(0.5)
    metrics.size.labels("risk").observe(100)
    (consumer,) = between(metrics, before).consumers
    # then only those count; they are in the bucket from 25 to 50 ms
    assert consumer.latency_p50 == pytest.approx(0.0375)
    assert consumer.latency_p95 == pytest.approx(0.04875)
    assert consumer.seconds_per_batch == 0.5
    assert consumer.events_per_batch == 100


def test_http_is_counted_by_class_of_status_and_by_busiest_route(
    metrics: Metrics,
) -> None:
    before = metrics.read(10.0)
    for endpoint, status, count in (
        ("/a", "202", 6),
        ("/b", "200", 2),
        ("/b", "404", 4),
        ("/a", "503", 8),
    ):
        for _ in range(count):
            metrics.http.labels("POST", endpoint, status).observe(0.004)
    http = between(metrics, before).http
    assert http.per_second == 10.0
    assert http.client_errors_per_second == 2.0
    assert http.server_errors_per_second == 4.0
    assert http.p95 == pytest.approx(0.00475)
    assert [(each.endpoint, each.per_second) for each in http.busiest] == [
        ("/a", 7.0),
        ("/b", 3.0),
    ]


def test_what_is_not_exported_is_unknown_and_not_zero() -> None:
    empty = Reading(NOON, 1.0, Exposition.parse(""), ready=True, checks={})
    found = figures(empty, empty)
    assert found.streams == ()
    assert found.consumers == ()
    assert found.workers is None
    assert found.outbox_depth is None
    assert found.http.per_second is None
    assert found.totals.received_per_second is None
    assert found.totals.lag is None


def test_what_is_beyond_the_last_bound_counts_as_that_bound() -> None:
    beyond = Distribution({0.1: 0.0, 1.0: 0.0, math.inf: 5.0}, 50.0)
    assert beyond.quantile(0.5) == 1.0
    assert beyond.mean == 10.0


def test_nothing_has_no_percentile_and_no_mean() -> None:
    nothing = Distribution({0.1: 0.0, math.inf: 0.0}, 0.0)
    assert nothing.quantile(0.5) is None
    assert nothing.mean is None


def test_what_is_no_exposition_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        Exposition.parse("<html>hello</html>")
