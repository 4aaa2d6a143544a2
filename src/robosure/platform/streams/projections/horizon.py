"""The horizon: up to where the logs of facts and of events are decided.

Whoever adds to a log has a transaction id before it takes a position, which a trigger
sees to. So once no transaction is running that has an id from before a look at how far
the positions are, these are decided: visible by then, or rolled back for ever.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import text

from robosure.platform.database.session import Database
from robosure.platform.streams.projections.projection import StoredEvents

_TAKEN: Final = text(
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END "
    "FROM platform.outbox_position_seq"
)
_TRANSACTIONS: Final = text(
    "SELECT CAST(CAST(pg_snapshot_xmin(s) AS text) AS bigint), "
    "CAST(CAST(pg_snapshot_xmax(s) AS text) AS bigint) FROM pg_current_snapshot() s"
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
        self._mark: tuple[Positions, int] | None = None

    async def look(self) -> tuple[Positions, Positions]:
        """Return what is decided by now, and what is taken."""
        async with self._database.read() as session:
            facts: int = (await session.execute(_TAKEN)).scalar_one()
            taken = Positions(facts, await self._stored.taken(session))
        # In a snapshot of its own: it has to be younger than what was read before.
        async with self._database.read() as session:
            oldest_running, next_id = (await session.execute(_TRANSACTIONS)).one()
        mark, before = self._mark or (taken, next_id)
        if before <= oldest_running:
            self._decided, self._mark = mark, None
        else:
            self._mark = mark, before
        return self._decided, taken
