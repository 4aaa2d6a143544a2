"""The load test's arithmetic: which events are watched, and when they took effect."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.entrypoints.load.effects import Watch, told_between
from robosure.entrypoints.load.fleet import Counts
from robosure.entrypoints.load.loadtest import LoadPlan, events_for
from robosure.entrypoints.monitor.exposition import Distribution

INFINITE = float("inf")


@given(
    events=st.integers(1, 5000),
    batch=st.integers(1, 1000),
    robots=st.integers(1, 300),
)
def test_all_of_the_first_robots_events_are_watched(
    events: int, batch: int, robots: int
) -> None:
    plan = LoadPlan(events, rate=1.0, batch=batch, robots=robots)
    requests = -(-events // batch)
    watched = [plan.watched_in(number) for number in range(requests)]
    for number, count in enumerate(watched):
        first, end = number * batch, min(events, (number + 1) * batch)
        assert count == sum(event % robots == 0 for event in range(first, end))


@pytest.mark.parametrize(
    ("events", "duration", "expected"),
    [(1000, None, 1000), (None, 2.5, 125), (None, 0.001, 1)],
)
def test_events_are_said_as_a_number_or_as_a_duration(
    events: int | None, duration: float | None, expected: int
) -> None:
    assert events_for(events, 50.0, duration) == expected


@pytest.mark.parametrize(("events", "duration"), [(None, None), (10, 1.0)])
def test_neither_or_both_is_refused(events: int | None, duration: float | None) -> None:
    with pytest.raises(ValueError, match="either --events or --duration"):
        events_for(events, 50.0, duration)


class CountingFleet:
    """Says of a robot what the test wants."""

    done = 0

    async def count(self, robot: UUID) -> Counts:
        return Counts(stored=self.done, repeated=0, failed=0)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    moment = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: moment[0])
    return moment


async def test_an_event_took_as_long_as_from_its_own_acceptance_to_its_count(
    now: list[float],
) -> None:
    # given two events accepted at 100 s, and one at 101 s
    fleet: Any = CountingFleet()
    watch = Watch(fleet, UUID(int=1))
    watch.accepted(2)
    now[0] = 101.0
    watch.accepted(1)
    # when at 101.5 s two of them are counted, and at 103 s all
    now[0] = 101.5
    fleet.done = 2
    await watch.look_once()
    assert watch.latencies.count == 2
    now[0] = 103.0
    fleet.done = 3
    await watch.look_once()
    # then that is what they took
    assert watch.latencies.count == 3
    assert watch.latencies.percentile(50) == pytest.approx(1.5, rel=0.001)
    assert watch.latencies.longest == pytest.approx(2.0)


async def test_an_effect_that_is_seen_before_its_acceptance_waits_for_it(
    now: list[float],
) -> None:
    # given an event that is counted before its 202 was read
    fleet: Any = CountingFleet()
    watch = Watch(fleet, UUID(int=1))
    fleet.done = 1
    await watch.look_once()
    assert watch.latencies.count == 0
    # when the 202 is there, then the next look sees the effect
    watch.accepted(1)
    now[0] = 100.25
    await watch.look_once()
    assert watch.latencies.count == 1


def test_what_workers_tell_is_what_came_between() -> None:
    def told(*counts: float) -> dict[str, Distribution]:
        bounds = (0.1, 0.2, INFINITE)
        return {"risk": Distribution(dict(zip(bounds, counts, strict=True)), 0.0)}

    # given 10 fast ones before, and 10 slower ones since
    found = told_between(told(10, 10, 10), told(10, 20, 20))
    assert found["risk"]["count"] == 10
    assert found["risk"]["p50_ms"] == 150.0
    # and nothing of a consumer that did nothing
    assert told_between(told(10, 10, 10), told(10, 10, 10)) == {}
