from __future__ import annotations

from decimal import Decimal
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.risk.domain import (
    CURRENT,
    TEMPERATURE,
    Distribution,
    Exposure,
    Flag,
    Sample,
    window_start,
)
from tests.unit.contexts.risk.factories import a_sample, at

_states = st.sampled_from([True, False, None])
_readings = st.lists(st.none() | st.integers(-50_000, 50_000), max_size=3).map(tuple)
_samples = st.lists(
    st.builds(
        a_sample,
        # Moments collide often, and lie on both sides of many windows' edges.
        st.integers(0, 120).map(lambda step: step * 30)
        | st.integers(0, 3_600_000_000).map(lambda microsecond: microsecond / 1e6),
        key=st.integers(0, 5),
        protective_stop=_states,
        grip_lost=_states,
        complete=st.booleans(),
        joint_currents=_readings,
        joint_temperatures=_readings,
    ),
    max_size=40,
    unique_by=lambda sample: (sample.at, sample.key),
)


def _ordered(samples: list[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: (sample.at, sample.key))


@given(_samples, st.data())
def test_order_and_repetition_change_nothing(
    samples: list[Sample], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(samples))) if samples else []
    shuffled = data.draw(st.permutations([*samples, *repeated]))

    assert Exposure.of(shuffled) == Exposure.of(samples)


@given(_samples)
def test_the_sum_of_windows_is_the_exposure_of_the_whole(samples: list[Sample]) -> None:
    windows = groupby(_ordered(samples), key=lambda sample: window_start(sample.at))

    total = sum((Exposure.of(inside) for _, inside in windows), Exposure())

    assert total == Exposure.of(samples)


@given(_samples, st.integers(0, 40), st.integers(0, 40))
def test_addition_is_associative_and_nothing_is_its_identity(
    samples: list[Sample], one: int, other: int
) -> None:
    ordered = _ordered(samples)
    first, second = sorted((one, other))
    a, b, c = (
        Exposure.of(part)
        for part in (ordered[:first], ordered[first:second], ordered[second:])
    )

    assert (a + b) + c == a + (b + c) == Exposure.of(samples)
    assert Exposure() + a == a + Exposure() == a


def test_exposures_add_up_in_order_of_time_only() -> None:
    with pytest.raises(ValueError, match="in order of time"):
        Exposure.of([a_sample(1)]) + Exposure.of([a_sample(0)])


def test_a_minute_between_samples_is_operation_and_more_is_not() -> None:
    seconds = [0, 1.000001, 61.000001, 121.000002]

    exposure = Exposure.of([a_sample(second) for second in seconds])

    assert exposure.operating_us == 61_000_001
    assert exposure.first_at == at(0)
    assert exposure.last_at == at(121.000002)


def test_an_episode_that_crosses_from_window_to_window_is_one() -> None:
    before = Exposure.of([a_sample(598, protective_stop=True)])
    unknown = Exposure.of([a_sample(599, protective_stop=None)])
    after = Exposure.of(
        [a_sample(600, protective_stop=True), a_sample(601, protective_stop=False)]
    )

    assert (before + unknown + after).protective_stop == Flag(
        known=3, samples=2, episodes=1, first=True, last=False
    )


def test_an_unknown_sample_neither_ends_nor_begins_an_episode() -> None:
    states = [None, True, None, True, False, None, True]

    assert Flag.of(states) == Flag(
        known=4, samples=3, episodes=2, first=True, last=True
    )
    assert Flag.of([None, None]) == Flag()


def test_samples_of_one_moment_are_ordered_by_their_event() -> None:
    later = a_sample(5, key=2, protective_stop=True)
    earlier = a_sample(5, key=1, protective_stop=False)

    flag = Exposure.of([later, earlier]).protective_stop

    assert (flag.first, flag.last) == (False, True)


def test_readings_are_counted_per_joint_and_unknown_ones_left_out() -> None:
    exposure = Exposure.of(
        [
            a_sample(0, joint_currents=(100, None), joint_temperatures=()),
            a_sample(1, joint_currents=(101,), joint_temperatures=(-500,)),
        ]
    )

    assert exposure.joint_currents == (
        Distribution({1: 1, 2: 1}, highest=101),
        Distribution(),
    )
    assert exposure.joint_temperatures == (Distribution({0: 1}, highest=-500),)


def test_quantiles_are_nearest_ranks() -> None:
    hundred = CURRENT.count([each * 100 for each in range(1, 101)])

    assert hundred.readings == 100
    assert CURRENT.edge(hundred.quantile(50) or 0) == Decimal("5.0")
    assert CURRENT.edge(hundred.quantile(95) or 0) == Decimal("9.5")
    assert hundred.quantile(100) == 100
    assert Distribution().quantile(50) is None


def test_a_reading_at_the_limit_is_not_above_it() -> None:
    found = CURRENT.count([3599, 3600, 3601])

    assert found.above(CURRENT.bin_of(Decimal("3.6"))) == 1


def test_a_limit_between_edges_is_taken_up_to_the_next() -> None:
    found = TEMPERATURE.count([59_900, 60_000, 60_001])

    assert found.above(TEMPERATURE.bin_of(Decimal("59.5"))) == 1


@given(st.integers(0, 10_000))
def test_a_limit_of_one_decimal_is_an_edge_of_current_bins(tenths: int) -> None:
    limit = Decimal(tenths) / 10

    assert CURRENT.edge(CURRENT.bin_of(limit)) == limit
