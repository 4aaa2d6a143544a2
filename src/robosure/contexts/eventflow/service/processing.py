"""Processing: each event stored once, counted, and handed on if it is new."""

from __future__ import annotations

import hashlib
import traceback
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from robosure.contexts.eventflow.repository import Key, SqlIngest, Tally
from robosure.platform.database import WriteSession
from robosure.platform.metrics import counter
from robosure.platform.streams import Batch, BatchHandler, StreamEvent

REPEATED: Final = counter(
    "eventflow_events_repeated_total", "Events recognised as repeats."
)


class EventProcessor:
    """What ingested batches go through: stored once, counted, handed on if new."""

    def __init__(self, handlers: Sequence[BatchHandler]) -> None:
        self._handlers = handlers

    async def process(self, session: WriteSession, batches: Sequence[Batch]) -> None:
        """Store the batches' events, and give the new ones to the handlers."""
        events = [event for batch in batches for event in batch.events]
        firsts: dict[Key, StreamEvent] = {}
        for event in events:
            firsts.setdefault((event.source, event.id), event)
        ingest = SqlIngest(session)
        stored = await ingest.store(firsts)
        tallies: defaultdict[UUID, Tally] = defaultdict(Tally)
        new: list[StreamEvent] = []
        for event in events:
            key = event.source, event.id
            is_new = key in stored and firsts[key] is event
            tallies[UUID(event.subject)].count(event, new=is_new)
            if is_new:
                new.append(event)
        await ingest.count(tallies)
        for handler in self._handlers:
            chosen = [event for event in new if event.type == handler.event_type]
            if chosen:
                await handler.handle(session, chosen)
        session.after_commit(_counting(len(events) - len(new)))

    async def record_failure(
        self, session: WriteSession, event: StreamEvent, batch: Batch, error: Exception
    ) -> None:
        """Keep an event that fails, and count it the first time it does."""
        trace = traceback.format_tb(error.__traceback__)
        ingest = SqlIngest(session)
        first_time = await ingest.keep_failed(
            event,
            batch_id=batch.batch_id,
            error=f"{type(error).__name__}: {error}"[:2000].replace("\0", ""),
            digest=hashlib.sha256("".join(trace).encode()).hexdigest()[:16],
        )
        subject = _as_uuid(event.subject)
        if first_time and subject is not None:
            await ingest.count({subject: Tally(failed=1)})


def _counting(repeats: int) -> Callable[[], Awaitable[None]]:
    async def count() -> None:
        REPEATED.inc(repeats)

    return count


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
