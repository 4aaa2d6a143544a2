"""Archiving: events are written to files and read back before any is dropped."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import (
    ColumnElement,
    and_,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from robosure.contexts.eventflow.service.storage import parquet
from robosure.contexts.eventflow.tables import archives, events
from robosure.kernel.ids import uuid7
from robosure.kernel.time import Clock
from robosure.platform.database import Database
from robosure.platform.files import FileStorage
from robosure.platform.logging import LoggerMixin

_GROUP: Final = 20_000
"""Events in a row group."""
_FILE: Final = 25 * _GROUP
"""Events in a file, at most: it is in memory while it is written and read back."""
_DELETED_AT_ONCE: Final = 5_000


class ArchiveError(RuntimeError):
    """A file is not what was written; the events stay where they are."""


@dataclass(frozen=True)
class Portion:
    """Events of one type in one table, up to a day.

    Attributes:
        table: a partition, by its full name.
        until: the last day; None for all that is there.
    """

    table: str
    type: str
    until: date | None = None

    @property
    def condition(self) -> str:
        """Say it in SQL, with parameters."""
        return "type = :type" + ("" if self.until is None else " AND day <= :until")

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the condition's parameters."""
        until = {} if self.until is None else {"until": self.until}
        return {"type": self.type, **until}


class _File:
    """A file being written."""

    def __init__(self) -> None:
        self._writer = parquet.ParquetWriter()
        self._chunks: list[bytes] = []
        self.events = 0
        self.first_day = date.max
        self.last_day = date.min

    def write(self, rows: Sequence[Any]) -> None:
        self._chunks.append(self._writer.write(rows))
        self.events += len(rows)
        days = [row.day for row in rows]
        self.first_day = min(self.first_day, *days)
        self.last_day = max(self.last_day, *days)

    def close(self) -> bytes:
        self._chunks.append(self._writer.close())
        return b"".join(self._chunks)


class Archivist(LoggerMixin):
    """Writes archives, and deletes what is in them."""

    def __init__(self, database: Database, files: FileStorage, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._clock = clock

    async def archive(self, portion: Portion) -> int:
        """Write files of these events, and remember each once it was read back.

        Returns:
            How many events are in them.

        Raises:
            ArchiveError: a file is not what was written.
        """
        archived = 0
        file = _File()
        async for rows in self._groups(portion):
            await asyncio.to_thread(file.write, rows)
            if file.events >= _FILE:
                archived += await self._keep(portion, file)
                file = _File()
        return archived + await self._keep(portion, file)

    async def delete_archived(self) -> None:
        """Delete events that are in files, and may be in the store still."""
        waiting = select(archives).where(
            archives.c.dropped_at.is_(None), archives.c.file_key.is_not(None)
        )
        async with self._database.read() as session:
            found = (await session.execute(waiting.order_by(archives.c.id))).all()
        for archive in found:
            content = await self._files.get(archive.file_key)
            _verify(content, archive.sha256, archive.events)
            for chunk in parquet.identities(content, at_once=_DELETED_AT_ONCE):
                await self._delete(chunk)
            await self._mark_dropped(archives.c.id == archive.id)

    async def delete_unarchived(self, portion: Portion) -> int:
        """Delete events of a type that is not archived; return how many."""
        deleting = text(
            f"DELETE FROM {portion.table} WHERE ctid = ANY (ARRAY("  # nosec B608 # noqa: S608 - our names
            f"SELECT ctid FROM {portion.table} WHERE {portion.condition} "
            f"LIMIT {_DELETED_AT_ONCE}))"
        )
        deleted: int = 0
        while True:
            async with self._database.write() as session:
                done: Any = await session.execute(deleting, portion.parameters)
            count: int = done.rowcount
            deleted += count
            if count < _DELETED_AT_ONCE:
                return deleted

    async def note(self, portion: Portion, day: date, deleted: int) -> None:
        """Remember that a day has no more events of a type, without a file."""
        now = self._clock.now()
        async with self._database.write() as session:
            await session.execute(
                insert(archives).values(
                    id=uuid7(),
                    type=portion.type,
                    first_day=day,
                    last_day=day,
                    events=deleted,
                    archived_at=now,
                    dropped_at=now,
                )
            )

    async def forget_unfinished(self, day: date) -> None:
        """Forget files of a day whose events are all there still; write them anew."""
        async with self._database.write() as session:
            await session.execute(delete(archives).where(_unfinished(day)))

    async def mark_day_dropped(self, day: date) -> None:
        """Remember that the archived events of a day left the store."""
        await self._mark_dropped(_unfinished(day))

    async def _mark_dropped(self, which: ColumnElement[bool]) -> None:
        async with self._database.write() as session:
            await session.execute(
                update(archives).where(which).values(dropped_at=self._clock.now())
            )

    async def _groups(self, portion: Portion) -> AsyncIterator[list[Any]]:
        """Read the events by robot and time, which compresses well and is searched."""
        statement = text(
            f"SELECT * FROM {portion.table} "  # nosec B608 # noqa: S608 - our names
            f"WHERE {portion.condition} ORDER BY subject, time, key"
        ).columns(*events.c)
        async with self._database.read() as session:
            rows = await session.stream(statement, portion.parameters)
            async for group in rows.partitions(_GROUP):
                yield list(group)

    async def _keep(self, portion: Portion, file: _File) -> int:
        """Store a file, read it back, and remember it; return how many it holds."""
        if not file.events:
            return 0
        content = file.close()
        key = await self._next_key(portion.type, file.first_day)
        stored = await self._files.put(key, content, parquet.MEDIA_TYPE)
        _verify(await self._files.get(key), stored.sha256, file.events)
        async with self._database.write() as session:
            await session.execute(
                insert(archives).values(
                    id=uuid7(),
                    type=portion.type,
                    first_day=file.first_day,
                    last_day=file.last_day,
                    events=file.events,
                    file_key=key,
                    size=stored.size,
                    sha256=stored.sha256,
                    archived_at=self._clock.now(),
                )
            )
        self.logger.info(
            "eventflow.archive.write_completed",
            file_key=key,
            events=file.events,
            size=stored.size,
        )
        return file.events

    async def _next_key(self, type_: str, day: date) -> str:
        """Return a key that no archive has; an unfinished one's is used again."""
        counting = select(func.count()).where(
            archives.c.type == type_,
            archives.c.first_day == day,
            archives.c.file_key.is_not(None),
        )
        async with self._database.read() as session:
            number = (await session.execute(counting)).scalar_one() + 1
        name = quote(type_, safe="")
        return f"archive/events/type={name}/day={day}/{name}-{day}-{number:04}.parquet"

    async def _delete(self, chunk: Sequence[parquet.Identity]) -> None:
        deleting = text(
            "DELETE FROM eventflow.events e USING unnest("
            "CAST(:keys AS uuid[]), CAST(:days AS date[])) AS gone (key, day) "
            "WHERE e.key = gone.key AND e.day = gone.day "
            "AND e.day BETWEEN :first AND :last"
        )
        days = [each.day for each in chunk]
        async with self._database.write() as session:
            await session.execute(
                deleting,
                {
                    "keys": [each.key for each in chunk],
                    "days": days,
                    "first": min(days),
                    "last": max(days),
                },
            )


def _unfinished(day: date) -> ColumnElement[bool]:
    return and_(
        archives.c.first_day == day,
        archives.c.last_day == day,
        archives.c.dropped_at.is_(None),
    )


def _verify(content: bytes, sha256: str, count: int) -> None:
    """Raise unless the file is as it was written, and holds so many events."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ArchiveError("the file has another sum than when it was written")
    try:
        held = parquet.count(content)
    except ValueError as error:
        raise ArchiveError(f"the file cannot be read: {error}") from error
    if held != count:
        raise ArchiveError(f"the file holds {held} events of {count}")
