from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from robosure.contexts.eventflow.events import Telemetry
from robosure.contexts.risk.domain import Sample
from robosure.kernel.errors import Invalid
from tests.unit.contexts.risk.factories import EIGHT, telemetry

_KEY = UUID(int=7)


def test_a_sample_keeps_magnitudes_of_currents_in_integers() -> None:
    sample = Sample.of(telemetry(joint_temperatures=(-4.0, None)), at=EIGHT, key=_KEY)

    assert sample == Sample(
        at=EIGHT,
        key=_KEY,
        protective_stop=False,
        grip_lost=False,
        complete=False,
        joint_currents=(500, 1250),
        joint_temperatures=(-4000, None),
    )


def test_a_sample_that_gives_everything_is_complete() -> None:
    assert Sample.of(telemetry(), at=EIGHT, key=_KEY).complete


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
    assert not Sample.of(telemetry(**missing), at=EIGHT, key=_KEY).complete


def test_readings_beyond_the_work_cycle_may_be_missing() -> None:
    bare = replace(telemetry(), cycle=None, battery=None, speed=None)

    assert Sample.of(bare, at=EIGHT, key=_KEY).complete


def test_a_robot_without_joints_owes_only_its_protective_stop_flag() -> None:
    drone = Telemetry(protective_stop=False, battery=71.5)

    assert Sample.of(drone, at=EIGHT, key=_KEY).complete
    assert not Sample.of(Telemetry(battery=71.5), at=EIGHT, key=_KEY).complete


def test_time_is_kept_in_utc_and_refused_without_a_zone() -> None:
    in_berlin = EIGHT.astimezone(timezone(timedelta(hours=1)))

    assert Sample.of(telemetry(), at=in_berlin, key=_KEY).at.tzinfo is EIGHT.tzinfo
    with pytest.raises(Invalid, match="naive datetime"):
        Sample.of(telemetry(), at=datetime(2026, 1, 5, 8), key=_KEY)  # noqa: DTZ001 - the point


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_time_out_of_all_range_is_refused(year: int) -> None:
    with pytest.raises(Invalid, match="sample time out of range"):
        Sample.of(telemetry(), at=EIGHT.replace(year=year), key=_KEY)
