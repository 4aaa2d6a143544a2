"""UUIDv7: sorts by the time of making, even within a millisecond."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import RFC_4122, UUID

import pytest

from robosure.kernel import ids
from robosure.kernel.ids import uuid7


@pytest.fixture(autouse=True)
def _untouched_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give back what this process remembered of its last id."""
    monkeypatch.setattr(ids, "_last", ids._last)


def milliseconds_of(made: UUID) -> int:
    return made.int >> 80


def test_it_is_version_7_of_the_rfcs_variant() -> None:
    made = uuid7()
    assert made.version == 7
    assert made.variant == RFC_4122
    assert made.int >> 62 & 0b11 == 0b10


def test_it_begins_with_the_time_in_milliseconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given the moment of the example in RFC 9562, appendix A.6
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(time, "time_ns", lambda: 0x017F22E279B0 * 1_000_000)
    # then
    assert str(uuid7()).startswith("017f22e2-79b0-7")


def test_a_burst_increases_strictly() -> None:
    burst = [uuid7() for _ in range(100_000)]
    assert all(earlier < later for earlier, later in pairwise(burst))
    assert {made.version for made in burst} == {7}
    assert {made.variant for made in burst} == {RFC_4122}


def test_ids_increase_when_the_clock_stands_still_or_steps_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ids, "_last", 0)
    moments = iter([5_000, 5_000, 4_000, 1, 5_001])
    monkeypatch.setattr(time, "time_ns", lambda: next(moments) * 1_000_000)
    made = [uuid7() for _ in range(5)]
    assert made == sorted(set(made))
    assert [milliseconds_of(each) for each in made] == [5_000] * 4 + [5_001]


def test_threads_never_share_an_id() -> None:
    def burst(_: int) -> list[UUID]:
        return [uuid7() for _ in range(2_000)]

    with ThreadPoolExecutor(8) as pool:
        bursts = list(pool.map(burst, range(8)))
    assert len({made for each in bursts for made in each}) == 16_000
    assert all(each == sorted(each) for each in bursts)
