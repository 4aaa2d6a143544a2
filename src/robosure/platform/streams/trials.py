"""Trials: finding which items of a batch are at fault, with nothing done in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import asynccontextmanager
from typing import Final, Generic

from sqlalchemy import text

from robosure.kernel.errors import Unavailable
from robosure.platform.database.session import Database, WriteSession
from robosure.platform.outages import infrastructure_is_away
from robosure.platform.streams.effects import Effects, Item

_FAULTS_AT_ONCE: Final = 32


def passing(error: Exception) -> bool:
    """Whether a server is the trouble, and not an event."""
    return infrastructure_is_away(error) or isinstance(error, Unavailable)


def without(items: Sequence[Item], faulty: Container[int]) -> list[Item]:
    """Return the items that are not at these places."""
    return [item for at, item in enumerate(items) if at not in faulty]


class Trials(Generic[Item]):
    """Transactions of one group, so many at a time."""

    def __init__(
        self, database: Database, effects: Effects[Item], *, at_once: int
    ) -> None:
        self._database = database
        self._effects = effects
        self._at_once = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[WriteSession]:
        """Wait for one's turn, and open a transaction."""
        async with self._at_once, self._database.write() as session:
            yield session

    async def faulty(
        self, items: Sequence[Item], known: Exception | None
    ) -> tuple[dict[int, Exception], int]:
        """Find items at fault, by trying ever smaller parts and undoing each try.

        A part is tried together with all that was found sound before it, so what
        remains in the end has passed as a whole.

        Args:
            items: at least one.
            known: what they failed on together, if that was tried already.

        Returns:
            what each item at fault failed on, by its place; how many were looked at.
        """
        faulty: dict[int, Exception] = {}
        parts = [(0, len(items))]
        reached = 0
        while parts and len(faulty) < _FAULTS_AT_ONCE:
            start, end = parts.pop()
            error = known or await self.attempt(without(items[:end], faulty))
            known = None
            if error is not None and end - start > 1:
                middle = (start + end) // 2
                parts += [(middle, end), (start, middle)]
                continue
            if error is not None:
                faulty[start] = error
            reached = end
        return faulty, reached

    async def attempt(self, items: Sequence[Item]) -> Exception | None:
        """Apply in a transaction that is undone; return what it failed on."""
        try:
            async with self.transaction() as session:
                await self._effects.apply(session, items)
                await session.flush()
                # What the database would otherwise only say at the commit.
                await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
                raise _UndoneError  # noqa: TRY301 - raised to roll back
        except _UndoneError:
            return None
        except Exception as error:
            if passing(error):
                raise
            return error


class _UndoneError(Exception):
    """Rolls a trial back."""
