"""Jobs of eventflow: freeze the evidence that is due, and keep the store in its days.

Evidence is frozen right after a request for that alone, and every 15 seconds for
whatever is due by then: windows that had to settle, and requests whose own run was
lost. Days are made a week ahead, and dropped when their events are past their time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from robosure.contexts.eventflow.schemas import EVENT_TYPES
from robosure.contexts.eventflow.service.evidence import EvidenceService
from robosure.contexts.eventflow.service.storage import RetentionService, make_days
from robosure.kernel.time import SystemClock
from robosure.platform.database import Database
from robosure.platform.jobs import Job
from robosure.platform.runtime import Runtime
from robosure.platform.settings import Settings
from robosure.platform.streams.bus import INGEST, INGEST_GROUP


async def _extract(runtime: Runtime, *ids: str) -> None:
    service = EvidenceService(runtime.database, runtime.files, runtime.clock)
    # Telemetry that was accepted before the request, and waits, is evidence too.
    waiting = await runtime.bus.backlog(
        INGEST, INGEST_GROUP, partitions=runtime.settings.event_partitions
    )
    await service.extract_due(among=[UUID(i) for i in ids], due_before=waiting.oldest)


extract_due: Final = Job(
    "eventflow.extract_due", _extract, every=timedelta(seconds=15), queue="high"
)


async def _keep_days(runtime: Runtime, *_ids: str) -> None:
    rules = {name: each.retention for name, each in EVENT_TYPES.items()}
    service = RetentionService(
        runtime.database, runtime.files, runtime.clock, rules=rules
    )
    await service.keep_days()


keep_days: Final = Job("eventflow.keep_days", _keep_days, every=timedelta(hours=1))


async def seed(database: Database, _settings: Settings) -> None:
    """Make the first days before the first event comes."""
    rules = [each.retention for each in EVENT_TYPES.values()]
    await make_days(database, SystemClock(), rules=rules)
