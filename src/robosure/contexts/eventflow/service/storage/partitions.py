"""Days of the partitioned tables: made ahead, and taken out.

A day is made beside the table, and attached under a lock that is asked for patiently
and held for as long as the default partition is read: for milliseconds. Events that
came before their day was made are in there; they are copied beforehand, and move with
the day. Each step may be interrupted, and is taken up by the next run.

The form of tables is their owner's to change, which functions do (migration 0026).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Table, func, select, text
from sqlalchemy.exc import DBAPIError

from robosure.contexts.eventflow.tables import PARTITIONS_SCHEMA, batches, events
from robosure.platform.database import Database, WriteSession
from robosure.platform.logging import LoggerMixin

AHEAD: Final = 7
"""For how many days from today partitions are made."""
_BLOCK: Final = 8_192
_BLOCKS_AT_ONCE: Final = 1_000
_ATTEMPTS: Final = 5
_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '1s'"
_BUSY: Final = frozenset({"55P03", "40P01"})
"""SQLSTATEs: a lock was not to be had in time, or only by a deadlock."""
_DAY: Final = timedelta(days=1)
_RETIRED: Final = "retired_"
T = TypeVar("T")


def partition_of(table: Table, day: date) -> str:
    """Return the name of a table's partition for a day."""
    return f"{PARTITIONS_SCHEMA}.{table.name}_{day:%Y_%m_%d}"


def default_of(table: Table) -> str:
    """Return the name of a table's default partition."""
    return f"{PARTITIONS_SCHEMA}.{table.name}_default"


def retired_of(table: Table, day: date) -> str:
    """Return the name of a day that was taken out and is not dropped yet."""
    return f"{PARTITIONS_SCHEMA}.{_RETIRED}{table.name}_{day:%Y_%m_%d}"


class Partitions(LoggerMixin):
    """Days of the tables of events and of batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self, *, today: date, kept: timedelta) -> int:
        """Make the days from yesterday on, and those of events without one.

        Args:
            today: in UTC.
            kept: how far back a day is made for events that came late.

        Returns:
            How many were made; one whose table is too busy is left to the next run.
        """
        made = 0
        for table in (events, batches):
            ahead = {today + n * _DAY for n in range(-1, AHEAD + 1)}
            late = await self._without(table, today - kept, today + AHEAD * _DAY)
            for day in sorted((ahead | late) - set(await self.days(table))):
                if day in late:
                    await self._create(table, day)
                    await self._copy(table, day)
                made += await self._make(table, day)
        return made

    async def days(self, table: Table) -> list[date]:
        """Return the days that have a partition, in order."""
        statement = text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = CAST(:parent AS regclass)"
        )
        async with self._database.read() as session:
            found = await session.execute(statement, {"parent": table.fullname})
            return _days_in(found.scalars(), f"{table.name}_")

    async def retired(self, table: Table) -> list[date]:
        """Return the days that were taken out and are still there."""
        statement = text(
            "SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' "
            "AND c.relnamespace = CAST(:schema AS regnamespace)"
        )
        async with self._database.read() as session:
            found = await session.execute(statement, {"schema": PARTITIONS_SCHEMA})
            return _days_in(found.scalars(), f"{_RETIRED}{table.name}_")

    async def retire(self, table: Table, day: date) -> bool:
        """Take a day out of its table: nobody sees it any more, and it is still there.

        Returns:
            Whether it was, for the table may be too busy.
        """

        async def take_out(session: WriteSession) -> None:
            await _call(session, "retire_day", table, day)

        return await self._patiently(take_out)

    async def drop_retired(self, table: Table, day: date) -> None:
        """Drop a day that was taken out."""
        async with self._database.write() as session:
            await _call(session, "drop_retired_day", table, day)

    async def _without(self, table: Table, first: date, last: date) -> set[date]:
        statement = text(
            f"SELECT DISTINCT day FROM {default_of(table)} "  # nosec B608 # noqa: S608 - our names
            "WHERE day BETWEEN :first AND :last"
        )
        async with self._database.read() as session:
            found = await session.execute(statement, {"first": first, "last": last})
            return set(found.scalars())

    async def _create(self, table: Table, day: date) -> None:
        async with self._database.write() as session:
            await _call(session, "create_day", table, day)

    async def _make(self, table: Table, day: date) -> bool:
        async def attach(session: WriteSession) -> None:
            await _call(session, "attach_day", table, day)

        return await self._patiently(attach)

    async def _copy(self, table: Table, day: date) -> None:
        """Copy the day's rows beforehand, so that little is left to do under the lock.

        In many transactions: a long one would hold up the live stream of events.
        """
        default = default_of(table)
        async with self._database.read() as session:
            sizing = text("SELECT pg_relation_size(CAST(:default AS regclass))")
            size = (await session.execute(sizing, {"default": default})).scalar_one()
        for block in range(0, size // _BLOCK + 1, _BLOCKS_AT_ONCE):
            async with self._database.write() as session:
                await _run(
                    session,
                    f"INSERT INTO {partition_of(table, day)} "  # nosec B608 # noqa: S608 - our names
                    f"SELECT * FROM {default} WHERE day = '{day}' "
                    f"AND ctid >= '({block},0)' "
                    f"AND ctid < '({block + _BLOCKS_AT_ONCE},0)' "
                    "ON CONFLICT DO NOTHING",
                )

    async def _patiently(
        self, change: Callable[[WriteSession], Awaitable[None]]
    ) -> bool:
        """Make a change that needs a lock, without making others wait for long."""
        for attempt in range(_ATTEMPTS):
            try:
                async with self._database.write() as session:
                    await _run(session, _LOCK_TIMEOUT)
                    await change(session)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _BUSY:
                    raise
                await asyncio.sleep(0.2 * 2**attempt)
            else:
                return True
        self.logger.warning("eventflow.partitions.change_postponed")
        return False


async def _call(session: WriteSession, name: str, table: Table, day: date) -> None:
    function: Any = getattr(func.eventflow, name)
    await session.execute(select(function(str(table.name), day)))


async def _run(session: WriteSession, *statements: str) -> None:
    for statement in statements:
        await session.execute(text(statement))


def _days_in(names: Any, prefix: str) -> list[date]:
    """Read the days out of the names of partitions."""
    found: list[date] = []
    for name in names:
        rest = name.removeprefix(prefix)
        if rest != name and rest[:1].isdigit():
            found.append(datetime.strptime(rest, "%Y_%m_%d").date())  # noqa: DTZ007 - a day
    return sorted(found)
