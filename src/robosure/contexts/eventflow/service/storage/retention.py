"""Retention: events are kept for as long as their type says, and then archived.

A day whose types are all past their time is taken out as a whole, archived and dropped.
A type that is kept for less than others is taken out of its days event by event, those
that the files hold and no others. Whatever is interrupted is taken up by the next run:
an event is only ever dropped once a file that was read back, and is remembered, has it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select, text

from robosure.contexts.eventflow.domain import Retention
from robosure.contexts.eventflow.service.storage.archive import Archivist, Portion
from robosure.contexts.eventflow.service.storage.partitions import (
    Partitions,
    default_of,
    partition_of,
    retired_of,
)
from robosure.contexts.eventflow.tables import archives, batches, events
from robosure.kernel.time import Clock
from robosure.platform.database import Database, WriteSession
from robosure.platform.database.behalf import PLATFORM, on_behalf_of
from robosure.platform.files import FileStorage
from robosure.platform.logging import LoggerMixin

UNKNOWN: Final = Retention(days=400, archived=True)
"""Of events whose type is in the catalogue no more."""
_RUNNING: Final = "eventflow.retention"
_DAY: Final = timedelta(days=1)


class RetentionService(LoggerMixin):
    """Makes the days to come, and lets go of those that are over."""

    def __init__(
        self,
        database: Database,
        files: FileStorage,
        clock: Clock,
        *,
        rules: Mapping[str, Retention],
    ) -> None:
        """Prepare.

        Args:
            database: where events are.
            files: where archives go.
            clock: says what day it is.
            rules: for each type of event, how long it is kept.
        """
        self._database = database
        self._partitions = Partitions(database)
        self._archivist = Archivist(database, files, clock)
        self._clock = clock
        self._rules = rules
        self._shortest = timedelta(
            days=min(rule.days for rule in (*rules.values(), UNKNOWN))
        )
        self._longest = longest(rules.values())

    async def keep_days(self) -> None:
        """Make the days to come, and archive and drop what is past its time.

        One run at a time: another one that begins meanwhile does nothing.
        """
        with on_behalf_of(PLATFORM):
            async with self._database.write() as alone:
                if not await _only_one(alone):
                    return
                await self._partitions.prepare(today=self._today, kept=self._longest)
                await self._retire()

    async def _retire(self) -> None:
        for day in await self._partitions.retired(events):
            await self._finish_retired(day)
        await self._archivist.delete_archived()
        for day in await self._partitions.days(events):
            if day < self._today - self._longest:
                if await self._partitions.retire(events, day):
                    await self._finish_retired(day)
            elif day < self._today - self._shortest:
                await self._clear_short_lived(day)
        await self._clear_default()
        await self._retire_batches()

    @property
    def _today(self) -> date:
        return self._clock.now().date()

    def _rule(self, type_: str) -> Retention:
        return self._rules.get(type_, UNKNOWN)

    def _is_past(self, type_: str, day: date) -> bool:
        return day < self._today - timedelta(days=self._rule(type_).days)

    async def _finish_retired(self, day: date) -> None:
        """Archive a day that was taken out, and drop it once all of it is in files."""
        table = retired_of(events, day)
        await self._archivist.forget_unfinished(day)
        counted = await self._count(table)
        for type_, count in counted.items():
            if self._rule(type_).archived:
                archived = await self._archivist.archive(Portion(table, type_))
                if archived != count:
                    message = f"{archived} of {count} events of {day} were archived"
                    raise RuntimeError(message)
        await self._partitions.drop_retired(events, day)
        await self._archivist.mark_day_dropped(day)
        self.logger.info(
            "eventflow.retention.drop_completed",
            day=str(day),
            events=sum(counted.values()),
        )

    async def _clear_short_lived(self, day: date) -> None:
        """Take those types out of a day that are past their time before others."""
        table = partition_of(events, day)
        for type_ in self._rules:
            portion = Portion(table, type_)
            if self._is_past(type_, day) and not await self._is_clear(portion, day):
                await self._clear(portion, day)

    async def _clear(self, portion: Portion, day: date) -> None:
        if self._rule(portion.type).archived:
            await self._archivist.archive(portion)
            await self._archivist.delete_archived()
            await self._archivist.note(portion, day, 0)
        else:
            deleted = await self._archivist.delete_unarchived(portion)
            await self._archivist.note(portion, day, deleted)

    async def _is_clear(self, portion: Portion, day: date) -> bool:
        """Whether a day was cleared of a type, and nothing came since."""
        statement = select(func.max(archives.c.dropped_at)).where(
            archives.c.type == portion.type,
            archives.c.first_day == day,
            archives.c.last_day == day,
        )
        async with self._database.read() as session:
            cleared_at: datetime | None = (
                await session.execute(statement)
            ).scalar_one()
            if cleared_at is None:
                return False
            late = text(
                f"SELECT 1 FROM {portion.table} "  # nosec B608 # noqa: S608 - our names
                "WHERE received_at > :since AND type = :type LIMIT 1"
            )
            # What was received shortly before may have been stored after.
            since = cleared_at - _DAY
            found = await session.execute(late, {"since": since, "type": portion.type})
            return found.first() is None

    async def _clear_default(self) -> None:
        """Clear what came too late for its day to be made."""
        table = default_of(events)
        for type_ in await self._count(table):
            days = timedelta(days=self._rule(type_).days + 1)
            portion = Portion(table, type_, until=self._today - days)
            if self._rule(type_).archived:
                await self._archivist.archive(portion)
            else:
                await self._archivist.delete_unarchived(portion)
        await self._archivist.delete_archived()

    async def _retire_batches(self) -> None:
        over = self._today - self._longest
        for day in await self._partitions.days(batches):
            if day < over:
                await self._partitions.retire(batches, day)
        for day in await self._partitions.retired(batches):
            await self._partitions.drop_retired(batches, day)
        async with self._database.write() as session:
            await session.execute(batches.delete().where(batches.c.day < over))

    async def _count(self, table: str) -> dict[str, int]:
        statement = text(
            f"SELECT type, count(*) AS count FROM {table} GROUP BY type ORDER BY type"  # nosec B608 # noqa: S608 - our names
        )
        async with self._database.read() as session:
            counted: Any = await session.execute(statement)
            return {row.type: row.count for row in counted}


async def make_days(
    database: Database, clock: Clock, *, rules: Collection[Retention]
) -> None:
    """Make the days to come, unless they are there."""
    today = clock.now().date()
    with on_behalf_of(PLATFORM):
        await Partitions(database).prepare(today=today, kept=longest(rules))


def longest(rules: Collection[Retention]) -> timedelta:
    """Return how long any event is kept, and all batches are."""
    return timedelta(days=max(rule.days for rule in (*rules, UNKNOWN)))


async def _only_one(session: WriteSession) -> bool:
    """Whether no other run is under way; none begins while the transaction is open."""
    lock = func.pg_try_advisory_xact_lock(func.hashtext(_RUNNING))
    return bool((await session.execute(select(lock))).scalar_one())
