"""What the platform itself does on a schedule: forgetting what is no longer needed."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func

from robosure.platform.http.idempotency import KEPT, idempotency_keys
from robosure.platform.jobs import Job
from robosure.platform.outbox import forget_published
from robosure.platform.runtime import Runtime
from robosure.platform.streams.inbox import inbox, redeliveries
from robosure.platform.streams.projections.replays import drop_expired

_REDELIVERIES_KEPT: Final = timedelta(days=1)


async def forget(runtime: Runtime, *_ids: str) -> None:
    """Delete what is past its time: inbox rows, keys, tables of replays, and so on."""
    settings = runtime.settings
    kept = timedelta(days=settings.inbox_retention_days)
    async with runtime.database.write() as session:
        await drop_expired(session, at=runtime.clock.now())
    async with runtime.database.write() as session:
        if settings.facts_retention_days is not None:
            keep = timedelta(days=settings.facts_retention_days)
            await forget_published(session, keep=keep)
        await session.execute(
            delete(inbox).where(inbox.c.processed_at < func.now() - kept)
        )
        await session.execute(
            delete(redeliveries).where(
                redeliveries.c.last_at < func.now() - _REDELIVERIES_KEPT
            )
        )
        await session.execute(
            delete(idempotency_keys).where(
                idempotency_keys.c.created_at <= func.now() - KEPT
            )
        )


jobs: Final = (Job("platform.forget", forget, every=timedelta(hours=1)),)
