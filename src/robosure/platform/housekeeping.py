"""What the platform itself does on a schedule: forgetting what is no longer needed."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func

from robosure.platform.http.idempotency import idempotency_keys
from robosure.platform.jobs import Job
from robosure.platform.outbox import forget_published
from robosure.platform.runtime import Runtime
from robosure.platform.streams.inbox import inbox

_IDEMPOTENCY_KEPT: Final = timedelta(hours=24)


async def forget(runtime: Runtime, *_ids: str) -> None:
    """Delete relayed facts, inbox rows and idempotency keys past their time."""
    kept = timedelta(days=runtime.settings.outbox_retention_days)
    async with runtime.database.write() as session:
        await forget_published(session, keep=kept)
        await session.execute(
            delete(inbox).where(inbox.c.processed_at < func.now() - kept)
        )
        await session.execute(
            delete(idempotency_keys).where(
                idempotency_keys.c.created_at < func.now() - _IDEMPOTENCY_KEPT
            )
        )


jobs: Final = (Job("platform.forget", forget, every=timedelta(hours=1)),)
