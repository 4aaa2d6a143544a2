"""Durations in a histogram: what is recorded is what is read."""

from __future__ import annotations

import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from robosure.entrypoints.load.latencies import Latencies


def latencies(*seconds: float) -> Latencies:
    found = Latencies()
    for each in seconds:
        found.record(each)
    return found


def test_percentiles_are_those_of_the_durations_to_three_digits() -> None:
    # given each of 1 to 1,000 ms once
    found = latencies(*(ms / 1000 for ms in range(1, 1001)))
    # then the k-th percentile is k per cent of the way
    assert found.count == 1000
    assert found.percentile(50) == pytest.approx(0.500, rel=0.001)
    assert found.percentile(99) == pytest.approx(0.990, rel=0.001)
    assert found.percentile(99.9) == pytest.approx(0.999, rel=0.001)
    assert found.percentile(100) == 1.0
    assert found.longest == 1.0
    assert found.mean == pytest.approx(0.5005)


def test_a_single_stall_among_many_is_seen_at_the_far_end_only() -> None:
    found = latencies(*([0.001] * 9_990), *([2.0] * 10))
    assert found.percentile(99) == pytest.approx(0.001, rel=0.001)
    assert found.percentile(99.95) == pytest.approx(2.0, rel=0.001)


def test_a_percentile_is_never_beyond_the_longest() -> None:
    found = latencies(0.123456)
    assert found.percentile(99.9) == found.longest == 0.123456


def test_what_is_beyond_measure_is_held_at_the_ends() -> None:
    found = latencies(-0.5, 5000.0)
    assert found.count == 2
    assert found.percentile(50) == pytest.approx(0.000_001)
    assert found.longest == 5000.0


def test_nothing_recorded_is_nothing_and_no_error() -> None:
    found = Latencies()
    assert (found.count, found.mean, found.longest) == (0, 0.0, 0.0)
    assert found.percentile(99) == 0.0
    assert found.octaves() == []


def test_two_histograms_add_up() -> None:
    found = latencies(0.001, 0.002)
    found.add(latencies(0.5))
    assert found.count == 3
    assert found.longest == 0.5
    assert found.percentile(100) == 0.5
    assert found.mean == pytest.approx(0.503 / 3)


def test_octaves_count_every_duration_once() -> None:
    found = latencies(0.000_003, 0.000_003, 0.000_100)
    assert found.octaves() == [
        (4e-6, 2),
        (8e-6, 0),
        (16e-6, 0),
        (32e-6, 0),
        (64e-6, 0),
        (128e-6, 1),
    ]


def test_what_is_exported_can_be_read_by_the_formats_own_library() -> None:
    exported = latencies(0.010, 0.020, 0.030).as_json()
    read = HdrHistogram.decode(exported["hdr"])
    assert read.get_total_count() == exported["count"] == 3
    assert exported["max_ms"] == 30.0
    assert exported["mean_ms"] == 20.0
    assert exported["p50_ms"] == pytest.approx(20.0, rel=0.001)
