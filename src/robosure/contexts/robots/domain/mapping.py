"""Reading a vendor's body through a profile: rows in, canonical samples out.

A profile is compiled once into converters. A body whose shape is wrong (no such column,
not decodable, not JSON) is refused as a whole; a row whose values are wrong is refused
alone, and the rest goes on.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NoReturn, TypeGuard, TypeVar

from robosure.contexts.robots.domain import cells
from robosure.contexts.robots.domain.cells import Cell, Refusal
from robosure.contexts.robots.domain.profile import (
    Column,
    Counter,
    Flag,
    Format,
    JointQuantities,
    ProfileDocument,
    Quantity,
    TimeSteps,
)
from robosure.kernel.errors import Invalid, Malformed, TooLarge
from robosure.kernel.time import utc

Data = dict[str, Any]
"""Canonical telemetry as JSON: the readings that the profile maps, and no others."""

Row = Any
"""A CSV row as a list of text, or an object out of JSON."""

ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True)
class Sample:
    """A row that was read.

    Attributes:
        row: its number; the body's first is ``first_row``, a header has none.
        event_id: the same for the same moment and raw values, whenever it is read.
    """

    row: int
    event_id: str
    time: datetime
    data: Data


@dataclass(frozen=True)
class RowProblem:
    """A row that was not read, and why."""

    row: int
    code: str
    detail: str


@dataclass(frozen=True)
class Mapped:
    """What became of a body."""

    samples: list[Sample]
    problems: list[RowProblem]


T = TypeVar("T")
Take = Callable[[Row], Cell]
Source = JointQuantities | Quantity | Counter | Flag


class Mapper:
    """A profile, compiled."""

    def __init__(self, document: ProfileDocument) -> None:
        self._document = document
        self._missing = frozenset(document.missing)
        self._readings = [
            (name, source, self._converter(source))
            for name, source in document.readings.given()
        ]

    def read(
        self,
        body: bytes,
        *,
        lines: bool = False,
        start: datetime | None = None,
        first_row: int = 0,
    ) -> Mapped:
        """Map a body of at most :data:`ROWS_AT_ONCE` rows.

        Args:
            body: CSV or JSON, as the profile says.
            lines: JSON comes as one object per line, not as an array or one object.
            start: the moment of row 0 for a profile that counts steps; it stands
                before the profile's own base.
            first_row: the number of the body's first row.

        Raises:
            Malformed: a JSON body is no JSON.
            Invalid: the body's shape is wrong, or nothing tells when row 0 was.
            TooLarge: it has more rows.
        """
        rows, taker = self._open(body, lines=lines)
        moment = self._moment(taker, start)
        readers = [
            (name, _reader(source, taker, convert))
            for name, source, convert in self._readings
        ]
        found = list(islice(rows, ROWS_AT_ONCE + 1))
        if len(found) > ROWS_AT_ONCE:
            raise TooLarge("too_many_rows", limit=ROWS_AT_ONCE)
        mapped = Mapped([], [])
        for number, row in enumerate(found, first_row):
            try:
                if isinstance(row, Refusal):
                    raise row
                time = moment(row, number)
                values = {name: read(row) for name, read in readers}
            except Refusal as refusal:
                mapped.problems.append(RowProblem(number, refusal.code, str(refusal)))
            else:
                event_id = _event_id(time, row)
                mapped.samples.append(Sample(number, event_id, time, values))
        return mapped

    def _converter(self, source: Source) -> Callable[[Cell], Any]:
        if isinstance(source, Flag):
            return cells.flag(source, self._missing)
        if isinstance(source, Counter):
            return cells.counter(self._document.numbers, self._missing)
        return cells.quantity(source.unit, self._document.numbers, self._missing)

    def _open(
        self, body: bytes, *, lines: bool
    ) -> tuple[Iterator[Row | Refusal], Callable[[Column], Take]]:
        if self._document.format is Format.CSV:
            return _open_csv(body, self._document)
        absent_is_missing = self._document.json.absent_is_missing
        rows = _json_lines(body) if lines else _json_objects(body)
        return rows, lambda path: _walk(str(path), absent_is_missing=absent_is_missing)

    def _moment(
        self, taker: Callable[[Column], Take], start: datetime | None
    ) -> Callable[[Row, int], datetime]:
        timing = self._document.timestamp
        if isinstance(timing, TimeSteps):
            base = start or timing.base
            if base is None:
                raise Invalid("start_required")
            at = cells.steps(timing, utc(base))
            return lambda _row, number: at(number)
        convert = cells.moment(timing, self._document.numbers, self._missing)
        read = _cell(timing.column, taker(timing.column), convert)
        return lambda row, _number: read(row)


@lru_cache(maxsize=64)
def compiled(document: ProfileDocument) -> Mapper:
    """Return the document's mapper; the same one while it is in use."""
    return Mapper(document)


def _reader(
    source: Source, taker: Callable[[Column], Take], convert: Callable[[Cell], Any]
) -> Callable[[Row], Any]:
    """Return what makes one canonical reading from a row."""
    if isinstance(source, JointQuantities):
        joints = [_cell(column, taker(column), convert) for column in source.columns]
        return lambda row: [read(row) for read in joints]
    return _cell(source.column, taker(source.column), convert)


def _cell(
    column: Column, take: Take, convert: Callable[[Cell], T]
) -> Callable[[Row], T]:
    """Return what reads a column of a row; its refusal names the column."""

    def read(row: Row) -> T:
        try:
            return convert(take(row))
        except Refusal as refusal:
            refusal.column = column
            raise

    return read


_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _event_id(time: datetime, row: Row) -> str:
    """Return the SHA-256 of the moment and the raw values, in hex."""
    return hashlib.sha256(_canonical([time.isoformat(), row]).encode()).hexdigest()


def _open_csv(
    body: bytes, document: ProfileDocument
) -> tuple[Iterator[Row | Refusal], Callable[[Column], Take]]:
    dialect = document.csv
    reader = csv.reader(
        io.StringIO(_decoded(body, dialect.encoding), newline=""),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        quoting=csv.QUOTE_NONE if dialect.quote is None else csv.QUOTE_MINIMAL,
        strict=True,
    )
    rows = _csv_rows(reader)
    if not dialect.header:
        positions = [column for _, column in document.columns()]
        width = max((p for p in positions if isinstance(p, int)), default=-1) + 1
        return _wide_enough(rows, width), itemgetter
    header = next(rows, None)
    if header is None:
        raise Invalid("missing_header")
    width = len(header)
    return (
        row if len(row) == width else Refusal("wrong_field_count", len(row))
        for row in rows
    ), lambda column: itemgetter(_position(column, header))


def _csv_rows(reader: Any) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise Invalid(
            "malformed_csv", line=reader.line_num, reason=str(error)
        ) from error


def _wide_enough(rows: Iterator[list[str]], width: int) -> Iterator[Row | Refusal]:
    for row in rows:
        enough = len(row) >= width
        yield row if enough else Refusal("wrong_field_count", len(row))


def _position(column: Column, header: list[str]) -> int:
    if isinstance(column, int):
        if column >= len(header):
            raise Invalid("missing_column", column=column, columns=len(header))
        return column
    found = [position for position, name in enumerate(header) if name == column]
    if not found:
        raise Invalid("missing_column", column=column)
    if len(found) > 1:
        raise Invalid("ambiguous_column", column=column, positions=found)
    return found[0]


def _json_objects(body: bytes) -> Iterator[Row | Refusal]:
    document = _parsed(_decoded(body, "utf-8"))
    if isinstance(document, Refusal):
        raise Malformed("malformed_json", reason=document.shown)
    return map(_object, document if _is_list(document) else [document])


def _json_lines(body: bytes) -> Iterator[Row | Refusal]:
    lines = _decoded(body, "utf-8").split("\n")
    return (_object(_parsed(line)) for line in lines if line.strip())


def _object(row: Any) -> Row | Refusal:
    if _is_object(row) or isinstance(row, Refusal):
        return row
    return Refusal("not_an_object", row)


def _parsed(text: str) -> Any:
    """Parse JSON proper: NaN and Infinity are none. What is not JSON is a refusal."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return Refusal("malformed_json", str(error))


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is no JSON"
    raise ValueError(message)


def _decoded(body: bytes, encoding: str) -> str:
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        raise Invalid("undecodable_body", encoding=encoding, at=error.start) from error


def _walk(path: str, *, absent_is_missing: bool) -> Take:
    """Return what follows a dotted path; numbers count the items of lists."""
    steps = [(part, int(part) if _is_index(part) else -1) for part in path.split(".")]

    def take(row: Row) -> Cell:
        at: Any = row
        for name, index in steps:
            if _is_object(at) and name in at:
                at = at[name]
            elif _is_list(at) and 0 <= index < len(at):
                at = at[index]
            elif absent_is_missing:
                return None
            else:
                raise Refusal("missing_field")
        if _is_object(at) or _is_list(at):
            raise Refusal("not_a_value", at)
        return at

    return take


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdecimal()
