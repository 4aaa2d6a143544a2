"""A sample: what risk keeps of one telemetry event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from robosure.kernel.errors import Invalid
from robosure.kernel.time import utc

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST_READING: Final = 1_000_000
"""Amperes or degrees. Beyond it, a reading is a fault of the sensor and unknown."""
_YEARS: Final = range(1970, 9999)
"""In which windows can be computed with; a clock outside of them is not set."""

Readings = Sequence[int | None]


class Sample(NamedTuple):
    """One moment of a robot, in integers, so that sums do not depend on their order.

    A tuple, since there are tens of thousands of them in a second; in the order in
    which samples are sorted.

    Attributes:
        at_us: when, in microseconds since 1970.
        key: which event it is, in hexadecimal digits; orders samples of one moment.
        complete: whether every reading that such a robot gives is there. A robot with
            joints gives a protective-stop flag, a grip flag, the tool's current and
            each joint's current, temperature and speed; one without joints gives a
            protective-stop flag.
        joint_currents: magnitudes in milliamperes, base first; None is unknown.
        joint_temperatures: thousandths of a degree Celsius, base first; None is
            unknown.
    """

    at_us: int
    key: str
    protective_stop: bool | None
    grip_lost: bool | None
    complete: bool
    joint_currents: Readings
    joint_temperatures: Readings

    @classmethod
    def of(cls, telemetry: Mapping[str, Any], *, at: datetime, key: str) -> Sample:
        """Keep what risk needs of the telemetry.

        Args:
            telemetry: canonical and validated, as events carry it; see
                :class:`~robosure.contexts.eventflow.events.Telemetry`.
            at: when it was.
            key: which event it is.

        Raises:
            Invalid: the time has no zone, or is out of all range.
        """
        moment = at if at.tzinfo is UTC else utc(at)
        if moment.year not in _YEARS:
            raise Invalid("sample_time_out_of_range", at=at.isoformat())
        reading = telemetry.get
        stop, grip = reading("protective_stop"), reading("grip_lost")
        currents, temperatures = (
            reading("joint_currents"),
            reading("joint_temperatures"),
        )
        speeds = reading("joint_speeds")
        complete = stop is not None
        if currents or temperatures or speeds:
            currents = _thousandths(currents or ())
            temperatures = _thousandths(temperatures or ())
            complete = complete and not (
                grip is None
                or reading("tool_current") is None
                or None in currents
                or None in temperatures
                or None in (speeds or ())
            )
            currents = [each if each is None else abs(each) for each in currents]
        return cls(
            (moment - EPOCH) // MICROSECOND,
            key,
            stop,
            grip,
            complete,
            currents or [],
            temperatures or [],
        )

    @property
    def at(self) -> datetime:
        """When it was, in UTC."""
        return moment_of(self.at_us)


def moment_of(microseconds: int) -> datetime:
    """Return the moment so long after the beginning of 1970, in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def _thousandths(readings: Sequence[Any]) -> list[int | None]:
    if not readings:
        return []
    try:
        found: list[int | None] = [round(each * 1000) for each in readings]
    except (TypeError, ValueError, OverflowError):  # None, not a number, infinite
        return [_thousandth(each) for each in readings]
    if max([abs(each) for each in readings]) <= _LARGEST_READING:
        return found
    return [_thousandth(each) for each in readings]


def _thousandth(reading: float | None) -> int | None:
    if reading is None or not abs(reading) <= _LARGEST_READING:
        return None
    return round(reading * 1000)
