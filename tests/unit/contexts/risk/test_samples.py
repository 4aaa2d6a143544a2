from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from robosure.contexts.eventflow.events import Telemetry
from robosure.contexts.risk.domain import Sample
from robosure.kernel.errors import Invalid
from tests.unit.contexts.risk.factories import EIGHT, at, sample_of, telemetry


def test_a_sample_keeps_magnitudes_of_currents_in_integers() -> None:
    sample = sample_of(telemetry(joint_temperatures=(-4.0, None)), EIGHT, key=7)

    assert sample == Sample(
        at_us=1_767_600_000_000_000,
        key=UUID(int=7).hex,
        protective_stop=False,
        grip_lost=False,
        complete=False,
        joint_currents=[500, 1250],
        joint_temperatures=[-4000, None],
    )
    assert sample.at == EIGHT


def test_readings_that_were_not_sent_are_unknown() -> None:
    sample = Sample.of(Telemetry(), at=at(0.000001), key="7")

    assert sample == (1_767_600_000_000_001, "7", None, None, False, [], [])


@pytest.mark.parametrize(
    ("reading", "thousandths"),
    [
        (30, 30_000),
        (0.0005, 0),
        (-0.0015, -2),
        (1_000_000.0, 1_000_000_000),
        (1_000_000.0001, None),
        (-1_000_001, None),
        (1e308, None),
        (None, None),
    ],
)
def test_readings_are_rounded_to_thousandths_and_absurd_ones_unknown(
    reading: float | None, thousandths: int | None
) -> None:
    sample = sample_of(telemetry(joint_temperatures=(reading, 0.001)), EIGHT)

    assert sample.joint_temperatures == [thousandths, 1]


def test_a_sample_that_gives_everything_is_complete() -> None:
    assert sample_of(telemetry(), EIGHT).complete


@pytest.mark.parametrize(
    "missing",
    [
        {"protective_stop": None},
        {"grip_lost": None},
        {"tool_current": None},
        {"joint_currents": (0.5, None)},
        {"joint_temperatures": (None, 35.5)},
        {"joint_speeds": (None, None)},
        {"joint_currents": (0.5, float("nan"))},
        {"joint_currents": (0.5, float("-inf"))},
        {"joint_temperatures": (30.0, 1_000_001.0)},
    ],
)
def test_a_sample_without_one_reading_is_incomplete(missing: dict[str, Any]) -> None:
    assert not sample_of(telemetry(**missing), EIGHT).complete


def test_readings_beyond_the_work_cycle_may_be_missing() -> None:
    bare = replace(telemetry(), cycle=None, battery=None, speed=None)

    assert sample_of(bare, EIGHT).complete


def test_a_robot_without_joints_owes_only_its_protective_stop_flag() -> None:
    drone = Telemetry(protective_stop=False, battery=71.5)

    assert sample_of(drone, EIGHT).complete
    assert not sample_of(Telemetry(battery=71.5), EIGHT).complete


def test_time_is_kept_in_utc_and_refused_without_a_zone() -> None:
    in_berlin = EIGHT.astimezone(timezone(timedelta(hours=1)))

    assert sample_of(telemetry(), in_berlin) == sample_of(telemetry(), EIGHT)
    assert sample_of(telemetry(), in_berlin).at.tzinfo is EIGHT.tzinfo
    with pytest.raises(Invalid, match="naive datetime"):
        sample_of(telemetry(), datetime(2026, 1, 5, 8))  # noqa: DTZ001 - the point


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_time_out_of_all_range_is_refused(year: int) -> None:
    with pytest.raises(Invalid, match="sample time out of range"):
        sample_of(telemetry(), EIGHT.replace(year=year))


def test_a_robot_may_give_its_currents_and_no_temperatures() -> None:
    sample = Sample.of(
        Telemetry(joint_currents=(-1.5,), protective_stop=False),
        at=EIGHT,
        key="0" * 32,
    )
    assert (sample.joint_currents, sample.joint_temperatures) == ([1500], [])
    # and what such a robot gives besides is missing
    assert sample.complete is False
