"""Events as a file, made while it is being sent: lines of JSON, CSV, or Parquet.

A page is read at a time, in a transaction of its own, and the next one only once the
reader has taken it. So an export of any size takes the memory of a page, and a slow
reader holds no connection.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

import orjson

from robosure.contexts.eventflow.queries.cursor import EventPage
from robosure.contexts.eventflow.queries.events import EventQueries, shown
from robosure.contexts.eventflow.queries.search import EventFilter
from robosure.contexts.eventflow.schemas import EventOut
from robosure.contexts.eventflow.service.storage import parquet
from robosure.platform.database import Database
from robosure.platform.http import Principal

_ROWS: Final = 2_000
_COLUMNS: Final = tuple(EventOut.model_fields)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class ExportFormat(StrEnum):
    """How an export is written."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """Its media type."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES: Final = {
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.PARQUET: parquet.MEDIA_TYPE,
}


class Writer(Protocol):
    """Writes rows of the table of events."""

    def write(self, rows: Sequence[Any]) -> bytes:
        """Write them; return what is to be sent."""
        ...

    def close(self) -> bytes:
        """Write the end."""
        ...


async def export(
    database: Database,
    principal: Principal,
    *,
    chosen: EventFilter,
    form: ExportFormat,
    today: date,
) -> AsyncIterator[bytes]:
    """Write the events that a principal may see, the newest first."""
    writer = _WRITERS[form]()
    page: EventPage | None = EventPage(_ROWS)
    while page is not None:
        async with database.read() as session:
            queries = EventQueries(session, principal, today=today)
            found = await queries.find(page, chosen=chosen)
        if found.rows and (chunk := await asyncio.to_thread(writer.write, found.rows)):
            yield chunk
        page = EventPage(_ROWS, found.more_after) if found.more_after else None
    if end := writer.close():
        yield end


class _Lines:
    """One event per line, as JSON, as lists show it."""

    def write(self, rows: Sequence[Any]) -> bytes:
        return b"".join(orjson.dumps(shown(row), option=_OPTIONS) for row in rows)

    def close(self) -> bytes:
        return b""


class _Csv:
    """A header, and one event per row; ``data`` is JSON."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)
        self._writer.writerow(_COLUMNS)

    def write(self, rows: Sequence[Any]) -> bytes:
        for row in rows:
            self._writer.writerow(map(_cell, shown(row).values()))
        return self._taken()

    def close(self) -> bytes:
        return self._taken()

    def _taken(self) -> bytes:
        taken = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return taken


def _cell(value: Any) -> Any:
    """Write a value, so that no spreadsheet takes a sender's text for a formula."""
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


_OPTIONS: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
_WRITERS: Final[dict[ExportFormat, Callable[[], Writer]]] = {
    ExportFormat.NDJSON: _Lines,
    ExportFormat.CSV: _Csv,
    ExportFormat.PARQUET: parquet.ParquetWriter,
}
