"""Jobs of eventflow: freeze the evidence that is due.

It runs right after a request for that alone, and every 15 seconds for whatever is due
by then: windows that had to settle, and requests whose own run was lost.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from robosure.contexts.eventflow.service.evidence import EvidenceService
from robosure.platform.jobs import Job
from robosure.platform.runtime import Runtime
from robosure.platform.streams.ingest import waiting_since


async def _extract(runtime: Runtime, *ids: str) -> None:
    service = EvidenceService(runtime.database, runtime.files, runtime.clock)
    # Telemetry that was accepted before the request, and waits, is evidence too.
    waiting = await waiting_since(runtime.redis)
    await service.extract_due(among=[UUID(i) for i in ids], due_before=waiting)


extract_due: Final = Job(
    "eventflow.extract_due", _extract, every=timedelta(seconds=15), queue="high"
)
