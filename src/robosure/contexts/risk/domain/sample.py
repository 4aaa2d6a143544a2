"""A sample: what risk keeps of one telemetry event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from robosure.kernel.errors import Invalid
from robosure.kernel.time import utc

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST_READING: Final = 1_000_000
"""Amperes or degrees. Beyond it, a reading is a fault of the sensor and unknown."""
_YEARS: Final = range(1970, 9999)
"""In which windows can be computed with; a clock outside of them is not set."""

Readings = Sequence[int | None]


class Told(Protocol):
    """What of a telemetry event makes a sample.

    See :class:`~robosure.contexts.eventflow.events.Telemetry`, which is one.
    """

    @property
    def protective_stop(self) -> bool | None:
        """Whether it was in a protective stop."""
        ...

    @property
    def grip_lost(self) -> bool | None:
        """Whether the gripper had lost its part."""
        ...

    @property
    def tool_current(self) -> float | None:
        """Amperes at the tool flange."""
        ...

    @property
    def joint_currents(self) -> Sequence[float | None]:
        """Amperes per joint, base first."""
        ...

    @property
    def joint_temperatures(self) -> Sequence[float | None]:
        """Degrees Celsius per joint, base first."""
        ...

    @property
    def joint_speeds(self) -> Sequence[float | None]:
        """Radians per second per joint, base first."""
        ...


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
    def of(cls, told: Told, *, at: datetime, key: str) -> Sample:
        """Keep what risk needs of the telemetry.

        Args:
            told: canonical and validated, as events carry it.
            at: when it was.
            key: which event it is.

        Raises:
            Invalid: the time has no zone, or is out of all range.
        """
        moment = at if at.tzinfo is UTC else utc(at)
        if moment.year not in _YEARS:
            raise Invalid("sample_time_out_of_range", at=at.isoformat())
        since = moment - EPOCH
        at_us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        stop, grip = told.protective_stop, told.grip_lost
        currents, temperatures = told.joint_currents, told.joint_temperatures
        complete = stop is not None
        if not (currents or temperatures or told.joint_speeds):
            return tuple.__new__(cls, (at_us, key, stop, grip, complete, [], []))
        currents_ma = _thousandths(currents)
        temperatures_mc = _thousandths(temperatures)
        complete = complete and not (
            grip is None
            or told.tool_current is None
            or None in currents_ma
            or None in temperatures_mc
            or None in told.joint_speeds
        )
        magnitudes = [each if each is None else abs(each) for each in currents_ma]
        return cls(at_us, key, stop, grip, complete, magnitudes, temperatures_mc)

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
