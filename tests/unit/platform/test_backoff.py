"""How long the engine waits after failures."""

from __future__ import annotations

import pytest

from robosure.platform.streams.engine import backoff


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 0.2), (2, 0.4), (3, 0.8), (7, 12.8), (8, 15.0)]
)
def test_waits_double_and_are_spread_over_half_of_themselves(
    failures: int, longest: float
) -> None:
    waits = [backoff(failures) for _ in range(1_000)]
    assert longest / 2 <= min(waits) < 0.6 * longest
    assert 0.9 * longest < max(waits) <= longest


@pytest.mark.parametrize("failures", [10, 1_000_000])
def test_nobody_waits_longer_than_the_longest(failures: int) -> None:
    assert all(1.0 <= backoff(failures, 2.0) <= 2.0 for _ in range(100))
