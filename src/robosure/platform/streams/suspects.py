"""Suspects: finding the events that kill their workers, by counting.

An entry counts once for each owner of its lane that is given what another left. One
that was left too often is handled an event at a time, each noted before it is; an event
that was noted and not forgotten is what the worker before died of.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from robosure.platform.database.session import Database
from robosure.platform.streams.inbox import forget_redelivered, note_redelivered

DELIVERIES: Final = 3
"""How often an entry is handled with others before its events are handled alone."""


class Suspects:
    """What one owner of a lane knows about those who had it before."""

    def __init__(self, database: Database, group: str) -> None:
        self._database = database
        self._group = group
        self._noted: dict[str, int] = {}

    async def among(self, entries: Collection[str]) -> set[str]:
        """Count entries that were given out again; return those left too often.

        What this owner itself is given again, having failed without dying, counts once.
        """
        times = await self._note(entries)
        return {each for each in entries if times[each] >= DELIVERIES}

    async def died_of(self, event_id: str) -> int:
        """Note that the event is about to be handled alone; return how many died."""
        return (await self._note([event_id]))[event_id] - 1

    async def clear(self, what: Collection[str]) -> None:
        """Forget what has been handled, or has failed without killing anybody."""
        async with self._database.write() as session:
            await forget_redelivered(session, self._group, what)
        for each in what:
            self._noted.pop(each, None)

    async def _note(self, what: Collection[str]) -> dict[str, int]:
        unknown = [each for each in what if each not in self._noted]
        if unknown:
            async with self._database.write() as session:
                noted = await note_redelivered(session, self._group, unknown)
            self._noted.update(noted)
        return self._noted
