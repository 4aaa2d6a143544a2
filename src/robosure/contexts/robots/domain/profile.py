"""Integration profiles: how a vendor writes telemetry, told and not programmed.

A profile says where in a CSV row or a JSON object each canonical reading stands, and in
which unit and spelling. It is a tree of frozen values that survives as a JSON document;
``mapping`` compiles it into a reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import FieldError, Invalid
from robosure.kernel.time import zone

_SHORTEST_STEP: Final = 0.001
_LONGEST_STEP: Final = 86_400_000
"""Milliseconds between samples: below a microsecond, time stands still; a day is no
telemetry."""

Column = str | int
"""A CSV column by exact header name or by position from 0; in JSON a dotted path."""


class Format(StrEnum):
    """The shape of what the vendor sends."""

    CSV = "csv"
    JSON = "json"


class TimeFormat(StrEnum):
    """How a moment is spelt."""

    ISO8601 = "iso8601"
    EPOCH_SECONDS = "epoch_seconds"
    EPOCH_MILLISECONDS = "epoch_milliseconds"
    STRPTIME = "strptime"


class Unit(StrEnum):
    """The unit a vendor's number is in."""

    AMPERE = "ampere"
    MILLIAMPERE = "milliampere"
    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"
    KELVIN = "kelvin"
    RAD_PER_S = "rad_per_s"
    DEG_PER_S = "deg_per_s"
    M_PER_S = "m_per_s"
    KM_PER_H = "km_per_h"
    PERCENT = "percent"
    RATIO = "ratio"


CURRENT: Final = frozenset({Unit.AMPERE, Unit.MILLIAMPERE})
TEMPERATURE: Final = frozenset({Unit.CELSIUS, Unit.FAHRENHEIT, Unit.KELVIN})
ANGULAR_SPEED: Final = frozenset({Unit.RAD_PER_S, Unit.DEG_PER_S})
SPEED: Final = frozenset({Unit.M_PER_S, Unit.KM_PER_H})
SHARE: Final = frozenset({Unit.PERCENT, Unit.RATIO})

UNITS_OF: Final[Mapping[str, frozenset[Unit]]] = {
    "joint_currents": CURRENT,
    "joint_temperatures": TEMPERATURE,
    "joint_speeds": ANGULAR_SPEED,
    "tool_current": CURRENT,
    "battery": SHARE,
    "speed": SPEED,
}
"""By canonical reading, the units that measure such a thing."""

MOST_JOINTS: Final = 128
"""As many as canonical telemetry takes."""

_DECIMAL_MARKS: Final = frozenset(".,")
_THOUSANDS_MARKS: Final = frozenset(".,' _\u00a0\u202f\u2019")


@dataclass(frozen=True)
class Csv:
    """The dialect of a CSV body.

    Attributes:
        quote: the character around quoted fields; None where nothing is quoted.
        encoding: a Python codec's name.
        header: whether the first line names the columns.
    """

    delimiter: str = ","
    quote: str | None = '"'
    encoding: str = "utf-8"
    header: bool = True


@dataclass(frozen=True)
class Json:
    """The habits of a JSON body.

    Attributes:
        absent_is_missing: whether a path that leads nowhere is a missing reading;
            otherwise the row is refused.
    """

    absent_is_missing: bool = False


@dataclass(frozen=True)
class Numbers:
    """How numbers are spelt, where they come as text."""

    decimal_mark: str = "."
    thousands_mark: str | None = None


@dataclass(frozen=True)
class Timestamp:
    """The moment of a sample, read from a column.

    Attributes:
        pattern: for ``strptime``.
        time_zone: IANA zone that is meant where the text names none; None refuses
            such text. A local time that an autumn's clock shows twice is taken as the
            first.
    """

    column: Column
    format: TimeFormat = TimeFormat.ISO8601
    pattern: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True)
class TimeSteps:
    """The moment of a sample, counted from a start at a fixed rate.

    Attributes:
        step_milliseconds: from one row to the next.
        base: the moment of row 0; None where it comes with each upload.
    """

    step_milliseconds: float
    base: datetime | None = None


@dataclass(frozen=True)
class Quantity:
    """A number in a unit."""

    column: Column
    unit: Unit


@dataclass(frozen=True)
class JointQuantities:
    """The same quantity for every joint, base first."""

    columns: tuple[Column, ...]
    unit: Unit


@dataclass(frozen=True)
class Counter:
    """A whole number."""

    column: Column


@dataclass(frozen=True)
class Flag:
    """A yes or no, with the words for either."""

    column: Column
    true: tuple[str, ...] = ("true",)
    false: tuple[str, ...] = ("false",)


@dataclass(frozen=True)
class Readings:
    """Which canonical readings the vendor gives; named as telemetry names them."""

    joint_currents: JointQuantities | None = None
    joint_temperatures: JointQuantities | None = None
    joint_speeds: JointQuantities | None = None
    tool_current: Quantity | None = None
    cycle: Counter | None = None
    protective_stop: Flag | None = None
    grip_lost: Flag | None = None
    battery: Quantity | None = None
    speed: Quantity | None = None

    def given(
        self,
    ) -> Iterator[tuple[str, JointQuantities | Quantity | Counter | Flag]]:
        """Yield the readings that the profile maps, by canonical name."""
        for reading in fields(self):
            source = getattr(self, reading.name)
            if source is not None:
                yield reading.name, source


@dataclass(frozen=True)
class ProfileDocument:
    """All that has to be known to read one vendor's telemetry.

    Attributes:
        missing: spellings of a reading that was not taken. JSON's null always is.

    Raises:
        Invalid: ``invalid_profile``; its ``errors`` name every field at fault.
    """

    format: Format
    timestamp: Timestamp | TimeSteps
    readings: Readings
    csv: Csv = field(default_factory=Csv)
    json: Json = field(default_factory=Json)
    numbers: Numbers = field(default_factory=Numbers)
    missing: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        """Refuse what cannot be compiled, naming all of it at once."""
        if errors := [FieldError(*fault) for fault in _faults(self)]:
            raise Invalid("invalid_profile", errors=errors)

    def columns(self) -> Iterator[tuple[str, Column]]:
        """Yield every column that is read, with the place that names it."""
        if isinstance(self.timestamp, Timestamp):
            yield "timestamp.column", self.timestamp.column
        for name, source in self.readings.given():
            if isinstance(source, JointQuantities):
                for joint, column in enumerate(source.columns):
                    yield f"readings.{name}.columns.{joint}", column
            else:
                yield f"readings.{name}.column", source.column


@dataclass(eq=False, kw_only=True)
class IntegrationProfile(Aggregate):
    """A named profile. It is never changed: another reading is another name."""

    name: str
    title: str
    document: ProfileDocument


Fault = tuple[str, str, str]


def _faults(document: ProfileDocument) -> Iterator[Fault]:
    yield from _format_faults(document)
    yield from _number_faults(document.numbers)
    if isinstance(document.timestamp, Timestamp):
        yield from _timestamp_faults(document.timestamp)
    else:
        yield from _step_faults(document.timestamp)
    yield from _reading_faults(document.readings)
    for place, column in document.columns():
        yield from _column_faults(document, place, column)


def _format_faults(document: ProfileDocument) -> Iterator[Fault]:
    csv = document.csv
    if len(csv.delimiter) != 1 or csv.delimiter in "\r\n":
        yield "csv.delimiter", "not_a_character", "one character, and no line end"
    if csv.quote is not None and (
        len(csv.quote) != 1 or csv.quote in "\r\n" or csv.quote == csv.delimiter
    ):
        yield "csv.quote", "not_a_character", "one character, not the delimiter"
    try:
        "a".encode(csv.encoding).decode(csv.encoding)
    except (LookupError, ValueError):
        yield "csv.encoding", "unknown_encoding", f"no codec {csv.encoding!r}"


def _number_faults(numbers: Numbers) -> Iterator[Fault]:
    if numbers.decimal_mark not in _DECIMAL_MARKS:
        yield "numbers.decimal_mark", "not_a_decimal_mark", "a full stop or a comma"
    if numbers.thousands_mark is None:
        return
    if numbers.thousands_mark not in _THOUSANDS_MARKS:
        detail = "one of full stop, comma, space, apostrophe and underscore"
        yield "numbers.thousands_mark", "not_a_thousands_mark", detail
    if numbers.thousands_mark == numbers.decimal_mark:
        detail = "a mark cannot have both meanings"
        yield "numbers.thousands_mark", "same_as_decimal_mark", detail


def _timestamp_faults(timestamp: Timestamp) -> Iterator[Fault]:
    strptime = timestamp.format is TimeFormat.STRPTIME
    if strptime and not timestamp.pattern:
        yield "timestamp.pattern", "required", "strptime needs its pattern"
    if strptime and timestamp.pattern and not _tells_the_day(timestamp.pattern):
        detail = "not a strptime pattern that tells year, month and day"
        yield "timestamp.pattern", "not_a_pattern", detail
    if not strptime and timestamp.pattern is not None:
        yield "timestamp.pattern", "not_used", f"{timestamp.format.value} has none"
    if timestamp.time_zone is None:
        return
    try:
        zone(timestamp.time_zone)
    except Invalid:
        detail = f"no zone {timestamp.time_zone!r}"
        yield "timestamp.time_zone", "unknown_time_zone", detail


def _tells_the_day(pattern: str) -> bool:
    """Whether a moment written by the pattern is read back as the same day."""
    moment = datetime(2022, 10, 26, 8, 17, 21, tzinfo=UTC)
    try:
        read = datetime.strptime(moment.strftime(pattern), pattern)  # noqa: DTZ007 - the zone is not what is tested
    except (ValueError, re.error):
        return False
    return read.date() == moment.date()


def _step_faults(steps: TimeSteps) -> Iterator[Fault]:
    if not _SHORTEST_STEP <= steps.step_milliseconds <= _LONGEST_STEP:
        yield "timestamp.step_milliseconds", "out_of_range", "a microsecond to a day"
    if steps.base is not None and steps.base.tzinfo is None:
        yield "timestamp.base", "naive_datetime", "needs its offset from UTC"


def _reading_faults(readings: Readings) -> Iterator[Fault]:
    given = dict(readings.given())
    if not given:
        yield "readings", "required", "at least one reading"
    for name, source in given.items():
        if isinstance(source, JointQuantities | Quantity):
            known = UNITS_OF[name]
            if source.unit not in known:
                units = ", ".join(sorted(known))
                yield f"readings.{name}.unit", "wrong_unit", f"one of {units}"
        if isinstance(source, JointQuantities) and not (
            1 <= len(source.columns) <= MOST_JOINTS
        ):
            detail = f"1 to {MOST_JOINTS} columns, one per joint"
            yield f"readings.{name}.columns", "wrong_length", detail
        if isinstance(source, Flag):
            yield from _flag_faults(name, source)


def _flag_faults(name: str, flag: Flag) -> Iterator[Fault]:
    if not flag.true or not flag.false:
        yield f"readings.{name}", "required", "words for true and for false"
    both = sorted(set(flag.true) & set(flag.false))
    if both:
        yield f"readings.{name}", "ambiguous_word", f"{both[0]!r} is both"


def _column_faults(
    document: ProfileDocument, place: str, column: Column
) -> Iterator[Fault]:
    by_name = isinstance(column, str)
    if document.format is Format.JSON:
        if not isinstance(column, str) or not all(column.split(".")):
            yield place, "not_a_path", "JSON is read by dotted paths, a.b.0"
    elif isinstance(column, int) and column < 0:
        yield place, "out_of_range", "positions count from 0"
    elif by_name and not document.csv.header:
        yield place, "no_header", "without a header, columns are known by position"
