"""A sample: what risk keeps of one telemetry event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from robosure.contexts.eventflow.events import Telemetry
from robosure.kernel.errors import Invalid
from robosure.kernel.time import utc

_LARGEST_READING: Final = 1_000_000
"""Amperes or degrees. Beyond it, a reading is a fault of the sensor and unknown."""
_YEARS: Final = range(1970, 9999)
"""In which windows can be computed with; a clock outside of them is not set."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of a robot, in integers, so that sums do not depend on their order.

    Attributes:
        key: which event it is; orders samples of one moment.
        complete: whether every reading that such a robot gives is there. A robot with
            joints gives a protective-stop flag, a grip flag, the tool's current and
            each joint's current, temperature and speed; one without joints gives a
            protective-stop flag.
        joint_currents: magnitudes in milliamperes, base first; None is unknown.
        joint_temperatures: thousandths of a degree Celsius, base first; None is
            unknown.
    """

    at: datetime
    key: UUID
    protective_stop: bool | None
    grip_lost: bool | None
    complete: bool
    joint_currents: tuple[int | None, ...]
    joint_temperatures: tuple[int | None, ...]

    @classmethod
    def of(cls, telemetry: Telemetry, *, at: datetime, key: UUID) -> Sample:
        """Keep what risk needs of the telemetry.

        Raises:
            Invalid: the time has no zone, or is out of all range.
        """
        moment = utc(at)
        if moment.year not in _YEARS:
            raise Invalid("sample_time_out_of_range", at=at.isoformat())
        currents = tuple(_thousandths(each) for each in telemetry.joint_currents)
        temperatures = tuple(
            _thousandths(each) for each in telemetry.joint_temperatures
        )
        of_joints = (*currents, *temperatures, *telemetry.joint_speeds)
        expected: tuple[object, ...] = (telemetry.protective_stop,)
        if of_joints:
            expected += (telemetry.grip_lost, telemetry.tool_current, *of_joints)
        return cls(
            at=moment,
            key=key,
            protective_stop=telemetry.protective_stop,
            grip_lost=telemetry.grip_lost,
            complete=None not in expected,
            joint_currents=tuple(
                None if each is None else abs(each) for each in currents
            ),
            joint_temperatures=temperatures,
        )


def _thousandths(reading: float | None) -> int | None:
    if reading is None or not abs(reading) <= _LARGEST_READING:
        return None
    return round(reading * 1000)
