"""Plans over all days, made once for each connection.

To plan a query over hundreds of partitions takes longer than to run it. Where it is
plain which index answers, whatever is asked, the plan of the first time will do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from robosure.platform.database import ReadSession


@asynccontextmanager
async def planned_once(session: ReadSession) -> AsyncIterator[None]:
    """Let statements keep their first plan, within the block."""
    await session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
    try:
        yield
    finally:
        await session.execute(text("SET LOCAL plan_cache_mode = auto"))
