"""Converting single values: from a vendor's spelling and unit to the canonical one.

Each function takes a profile's choices once and returns a converter that is called per
value. Nothing is guessed: what is not spelt as the profile says is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from robosure.contexts.robots.domain.profile import (
    SHARE,
    Column,
    Flag,
    Numbers,
    TimeFormat,
    Timestamp,
    TimeSteps,
    Unit,
)
from robosure.kernel.time import zone

Cell = object
"""A value as it came: text from CSV; text, number, boolean or None from JSON."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64: Final = range(-(2**63), 2**63)
_SHOWN: Final = 60
_WHOLE: Final = 100

_TO_CANONICAL: Final[Mapping[Unit, Callable[[float], float]]] = {
    Unit.MILLIAMPERE: lambda value: value / 1000,
    Unit.FAHRENHEIT: lambda value: (value - 32) * 5 / 9,
    Unit.KELVIN: lambda value: value - 273.15,
    Unit.DEG_PER_S: math.radians,
    Unit.KM_PER_H: lambda value: value / 3.6,
    Unit.PERCENT: lambda value: value,
    Unit.RATIO: lambda value: value * _WHOLE,
}
"""Units whose numbers are changed or checked on the way to the canonical one."""


class Refusal(Exception):
    """A value that is not spelt as the profile says; told per row, not raised out.

    Attributes:
        code: stable, in snake_case.
        shown: the value, shortened.
        column: where it stands, once that is known.
    """

    def __init__(self, code: str, value: Cell = "") -> None:
        super().__init__(code)
        self.code = code
        self.shown = str(value)[:_SHOWN]
        self.column: Column | None = None

    def __str__(self) -> str:
        """Read as a sentence: the code, then the value and its place."""
        value = f": {self.shown!r}" if self.shown else ""
        place = "" if self.column is None else f" in column {self.column!r}"
        return f"{self.code.replace('_', ' ')}{value}{place}"


def quantity(
    unit: Unit, numbers: Numbers, missing: frozenset[str]
) -> Callable[[Cell], float | None]:
    """Return a converter to the canonical unit: A, degrees C, rad/s, m/s, percent."""
    read = number(numbers)
    convert = _TO_CANONICAL.get(unit)

    def as_is(cell: Cell) -> float | None:
        return None if cell is None or cell in missing else read(cell)

    def converted(cell: Cell, convert: Callable[[float], float]) -> float | None:
        value = as_is(cell)
        return None if value is None else convert(value)

    def share(cell: Cell, convert: Callable[[float], float]) -> float | None:
        value = converted(cell, convert)
        if value is not None and not 0 <= value <= _WHOLE:
            raise Refusal("out_of_range", cell)
        return value

    if convert is None:
        return as_is
    if unit in SHARE:
        return lambda cell: share(cell, convert)
    return lambda cell: converted(cell, convert)


def counter(numbers: Numbers, missing: frozenset[str]) -> Callable[[Cell], int | None]:
    """Return a converter to a whole number of at most 64 bits."""
    read = number(numbers)

    def convert(cell: Cell) -> int | None:
        if cell is None or cell in missing:
            return None
        value = read(cell)
        if not value.is_integer() or int(value) not in _INT64:
            raise Refusal("not_an_integer", cell)
        return int(value)

    return convert


def flag(words: Flag, missing: frozenset[str]) -> Callable[[Cell], bool | None]:
    """Return a converter to a boolean; JSON's own booleans need no words."""
    meanings: dict[str, bool | None] = dict.fromkeys(missing)
    meanings |= dict.fromkeys(words.true, True) | dict.fromkeys(words.false, False)

    def convert(cell: Cell) -> bool | None:
        if cell is None or isinstance(cell, bool):
            return cell
        text = cell if isinstance(cell, str) else str(cell)
        try:
            return meanings[text]
        except KeyError:
            raise Refusal("not_a_boolean", cell) from None

    return convert


def number(numbers: Numbers) -> Callable[[Cell], float]:
    """Return a reader of finite numbers in that spelling; JSON's own need none."""
    decimal, thousands = numbers.decimal_mark, numbers.thousands_mark
    whole = r"\d+"
    if thousands is not None:
        whole = rf"(?:\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+)"
    mark = re.escape(decimal)
    spelt = re.compile(
        rf"[+-]?(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?", re.ASCII
    ).fullmatch

    def read(cell: Cell) -> float:
        if isinstance(cell, str):
            if not spelt(cell):
                raise Refusal("not_a_number", cell)
            text = cell if thousands is None else cell.replace(thousands, "")
            value = float(text.replace(decimal, "."))
        elif isinstance(cell, int | float) and not isinstance(cell, bool):
            value = _as_float(cell)
        else:
            raise Refusal("not_a_number", cell)
        if not math.isfinite(value):
            raise Refusal("not_finite", cell)
        return value

    return read


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def moment(
    timestamp: Timestamp, numbers: Numbers, missing: frozenset[str]
) -> Callable[[Cell], datetime]:
    """Return a reader of moments, in UTC."""
    read = _reader_of_moments(timestamp, numbers)

    def convert(cell: Cell) -> datetime:
        if cell is None or cell in missing:
            raise Refusal("missing_timestamp")
        try:
            return read(cell)
        except (ValueError, OverflowError):
            raise Refusal("not_a_timestamp", cell) from None

    return convert


def _reader_of_moments(
    timestamp: Timestamp, numbers: Numbers
) -> Callable[[Cell], datetime]:
    if timestamp.format is TimeFormat.EPOCH_SECONDS:
        return _epoch(numbers, microseconds=1_000_000)
    if timestamp.format is TimeFormat.EPOCH_MILLISECONDS:
        return _epoch(numbers, microseconds=1_000)
    assumed = None if timestamp.time_zone is None else zone(timestamp.time_zone)
    pattern = timestamp.pattern

    def read(cell: Cell) -> datetime:
        if pattern is not None:
            spelt = datetime.strptime(str(cell), pattern)  # noqa: DTZ007 - put on next
        elif isinstance(cell, str):
            spelt = datetime.fromisoformat(cell)
        else:
            raise Refusal("not_a_timestamp", cell)
        return _in_utc(spelt, assumed, cell)

    return read


def _epoch(numbers: Numbers, *, microseconds: int) -> Callable[[Cell], datetime]:
    read = number(numbers)
    return lambda cell: (
        _EPOCH + timedelta(microseconds=round(read(cell) * microseconds))
    )


def _in_utc(read: datetime, assumed: ZoneInfo | None, cell: Cell) -> datetime:
    if read.tzinfo is None:
        if assumed is None:
            raise Refusal("naive_timestamp", cell)
        read = read.replace(tzinfo=assumed)
    return read.astimezone(UTC)


def steps(timing: TimeSteps, base: datetime) -> Callable[[int], datetime]:
    """Return what tells the moment of a row by its number."""
    step = timing.step_milliseconds * 1000

    def at(row: int) -> datetime:
        try:
            return base + timedelta(microseconds=round(row * step))
        except OverflowError:
            raise Refusal("not_a_timestamp", row) from None

    return at
