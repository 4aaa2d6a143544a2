"""Events as Parquet: the columns of the table, compressed with Zstandard.

Ids are text, so that every reader shows them as they are written elsewhere; ``data`` is
JSON as text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import date
from importlib import import_module
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

# Imported so, for it comes without types.
_pa: Final[Any] = import_module("pyarrow")
_pq: Final[Any] = import_module("pyarrow.parquet")

MEDIA_TYPE: Final = "application/vnd.apache.parquet"
_MOMENT: Final[Any] = _pa.timestamp("us", tz="UTC")
_SCHEMA: Final[Any] = _pa.schema(
    [
        _pa.field("key", _pa.string(), nullable=False),
        _pa.field("day", _pa.date32(), nullable=False),
        _pa.field("source", _pa.string(), nullable=False),
        _pa.field("id", _pa.string(), nullable=False),
        _pa.field("type", _pa.string(), nullable=False),
        _pa.field("subject", _pa.string(), nullable=False),
        _pa.field("time", _MOMENT, nullable=False),
        _pa.field("data", _pa.string(), nullable=False),
        _pa.field("received_at", _MOMENT, nullable=False),
        _pa.field("batch_id", _pa.string()),
        _pa.field("part", _pa.int16()),
    ]
)


class Identity(NamedTuple):
    """Which event a row of a file is."""

    key: UUID
    day: date


class ParquetWriter:
    """Writes events, a row group for each call, and hands over the bytes so far."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._writer: Any = _pq.ParquetWriter(
            _pa.PythonFile(self._sink, mode="w"), _SCHEMA, compression="zstd"
        )

    def write(self, rows: Sequence[Any]) -> bytes:
        """Write rows of the table of events."""
        columns = [
            _pa.array([_plain(getattr(row, field.name)) for row in rows], field.type)
            for field in _SCHEMA
        ]
        self._writer.write_table(_pa.Table.from_arrays(columns, schema=_SCHEMA))
        return self._sink.take()

    def close(self) -> bytes:
        """Write the end, without which the rest cannot be read."""
        self._writer.close()
        return self._sink.take()


def count(content: bytes) -> int:
    """Return how many events a file holds.

    Raises:
        ValueError: it is no Parquet file, or not a whole one.
    """
    return int(_open(content).metadata.num_rows)


def identities(content: bytes, *, at_once: int) -> Iterator[list[Identity]]:
    """Return which events a file holds, so many at once."""
    for batch in _open(content).iter_batches(at_once, columns=["key", "day"]):
        keys, days = (column.to_pylist() for column in batch.columns)
        yield [Identity(UUID(k), day) for k, day in zip(keys, days, strict=True)]


def _open(content: bytes) -> Any:
    # Its ArrowInvalid is a ValueError.
    return _pq.ParquetFile(_pa.BufferReader(content))


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        chunk = bytes(content)
        self._chunks.append(chunk)
        self._size += len(chunk)
        return len(chunk)

    def tell(self) -> int:
        return self._size

    def take(self) -> bytes:
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken
