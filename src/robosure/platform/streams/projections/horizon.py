"""The horizon: up to where the logs of facts and of events are decided."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import text

from robosure.platform.database import Database, writers
from robosure.platform.streams.projections.projection import StoredEvents

_TAKEN: Final = text(
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END "
    "FROM platform.outbox_position_seq"
)


class Positions(NamedTuple):
    """The last of the log of facts, and of the log of events."""

    facts: int = 0
    events: int = 0


class Horizon:
    """Finds what is decided, by looking again and again."""

    def __init__(self, database: Database, stored: StoredEvents) -> None:
        self._database = database
        self._stored = stored
        self._decided = Positions()
        self._mark: tuple[Positions, frozenset[str]] | None = None

    async def look(self) -> tuple[Positions, Positions]:
        """Return what is decided by now, and what is taken."""
        async with self._database.read() as session:
            facts: int = (await session.execute(_TAKEN)).scalar_one()
            taken = Positions(facts, await self._stored.taken(session))
            running = await writers(session)
        mark, before = self._mark or (taken, running)
        if left := before & running:
            self._mark = mark, left
        else:
            self._decided, self._mark = mark, None
        return self._decided, taken
