"""Evidence: a robot's telemetry of a window, frozen in a file."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from robosure.contexts.claims.events import EvidenceRequested
from robosure.contexts.eventflow.domain import Evidence, Extraction
from robosure.contexts.eventflow.ports import Extractions, StoredEvents
from robosure.contexts.eventflow.repository import SqlExtractions, SqlStoredEvents
from robosure.kernel.time import Clock
from robosure.platform.database import Database, WriteSession
from robosure.platform.files import FileStorage
from robosure.platform.logging import LoggerMixin


async def take_request(
    session: WriteSession, event: EvidenceRequested, *, at: datetime
) -> Extraction:
    """Take a claim's request for evidence."""
    extraction = Extraction.request(
        event.request_id,
        claim_id=event.claim_id,
        robot_id=event.robot_id,
        window_start=event.window_start,
        window_end=event.window_end,
        at=at,
    )
    extractions: Extractions = SqlExtractions(session)
    await extractions.add(extraction)
    return extraction


class EvidenceService(LoggerMixin):
    """Freezes the telemetry that claims asked for, once it is due."""

    def __init__(self, database: Database, files: FileStorage, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._clock = clock

    async def extract_due(
        self, *, among: Collection[UUID] = (), due_before: datetime | None = None
    ) -> int:
        """Freeze all that is due, each in a transaction; return how many.

        Args:
            among: only these requests; any if empty.
            due_before: only what was due by then; None for now.
        """
        now = self._clock.now()
        due = now if due_before is None else min(now, due_before)
        done = 0
        while await self._extract_next(among, due=due):
            done += 1
        return done

    async def _extract_next(self, among: Collection[UUID], *, due: datetime) -> bool:
        now = self._clock.now()
        async with self._database.write() as session:
            extractions: Extractions = SqlExtractions(session)
            stored_events: StoredEvents = SqlStoredEvents(session)
            extraction = await extractions.next_due(at=due, among=among)
            if extraction is None:
                return False
            events = await stored_events.telemetry(
                extraction.robot_id,
                start=extraction.window_start,
                end=extraction.window_end,
            )
            evidence = Evidence.of(events)
            stored = await self._files.put(
                extraction.file_key, evidence.content, "application/gzip"
            )
            extraction.complete(evidence, sha256=stored.sha256, at=now)
        self.logger.info(
            "eventflow.service.extract_completed",
            request_id=str(extraction.id),
            samples=evidence.samples,
        )
        return True
