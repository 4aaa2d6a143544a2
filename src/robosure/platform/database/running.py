"""Who is writing: by this, positions from a sequence are known to be decided.

A position is taken before its transaction commits, so one may become visible after
another that was taken later, and whoever asked for "what is after the last I saw" would
miss it. But a trigger (``platform.take_transaction_id``) makes whoever takes a position
take a transaction id first. So positions that are read before a look at the running
transactions are decided, visible or rolled back for ever, once none of these is running
any more.

The look is at the locks that transactions hold on their own ids. A snapshot would not
do: its ``xmax`` is one past the highest id that has completed, and who runs may have a
higher one; and its ``xmin`` waits for transactions of the other databases too.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# A prepared transaction has no process: it may be of this database.
_WRITERS: Final = text(
    """
    SELECT CAST(held.transactionid AS text) FROM pg_locks held
    LEFT JOIN pg_stat_activity process ON process.pid = held.pid
    WHERE held.locktype = 'transactionid' AND held.granted
      AND held.mode = 'ExclusiveLock'
      AND coalesce(process.datname = current_database(), true)
    """
)


async def writers(session: AsyncSession) -> frozenset[str]:
    """Return the ids of this database's transactions that have one by now."""
    return frozenset((await session.execute(_WRITERS)).scalars())
