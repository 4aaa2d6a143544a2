"""Processing: each event enriched, stored once, counted, and handed on if it is new."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from robosure.contexts.eventflow.repository import ArrivedPart, SqlIngest, Tally
from robosure.contexts.eventflow.schemas import EVENT_TYPES
from robosure.contexts.eventflow.service.feed import announce
from robosure.kernel.ids import uuid7
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database import WriteSession
from robosure.platform.metrics import counter
from robosure.platform.outbox import attribute_facts
from robosure.platform.streams import Batch, BatchHandler, Incoming, Letter, StreamEvent
from robosure.platform.streams.bus import INGEST, INGEST_GROUP, Entry
from robosure.platform.streams.ingest import read, written

_WARY: Final = 100
"""For so many transactions after a repeat, others are likely to follow."""
REPEATED: Final = counter(
    "eventflow_events_repeated_total", "Events recognised as repeats."
)


class EventProcessor:
    """What incoming events go through: stored once, counted, handed on if new."""

    stream = INGEST
    group = INGEST_GROUP

    def __init__(self, handlers: Sequence[BatchHandler]) -> None:
        self._handlers = handlers
        self._wary = 0

    def decode(self, entry: Entry) -> Sequence[Incoming]:
        """Read a part of a batch."""
        return read(entry.value)

    async def apply(self, session: WriteSession, items: Sequence[Incoming]) -> None:
        """Enrich the events, store them, and give the new ones to the handlers.

        What handlers tell carries the correlation id of the last of the batches.
        """
        arrived = _parts_of(items)
        ingest = SqlIngest(session)
        done = await ingest.parts_done(arrived.values())
        parts = [part for key, part in arrived.items() if key not in done]
        if parts:
            for part in parts:
                _be_apart(part)
                part.events = _enriched(part.events)
            await self._take(session, ingest, parts)

    async def _take(
        self, session: WriteSession, ingest: SqlIngest, parts: Sequence[ArrivedPart]
    ) -> None:
        new = await ingest.store(parts, repeats_likely=self._wary > 0)
        repeats = sum(len(part.events) for part in parts) - len(new)
        self._wary = _WARY if repeats else max(0, self._wary - 1)
        await ingest.record(parts)
        announce(session)
        await ingest.count(_tallied(parts, new))
        last = parts[-1].batch
        with correlated(Correlation(last.correlation_id, actor=last.principal)):
            for handler in self._handlers:
                chosen = [event for event in new if event.type == handler.event_type]
                if chosen:
                    await handler.handle(session, chosen)
            await session.run_sync(attribute_facts)
        session.after_commit(_counting(repeats))

    def letter(self, item: Incoming) -> Letter:
        """Write an event down, as a batch of its own."""
        event = item.event
        return Letter(
            consumer=INGEST_GROUP,
            stream=INGEST,
            event_id=str(UUID(event.key)),
            type=event.type,
            content=written(item.batch, item.part, [item.cloud_event]).decode(),
            occurred_at=event.time,
            source=event.source,
            subject=event.subject,
            correlation_id=item.batch.correlation_id,
        )

    def restore(self, content: str) -> Incoming:
        """Read an event back from its letter.

        As a batch of its own: the one it came in had its effects, without it.
        """
        (item,) = read(content.encode())
        return item._replace(batch=item.batch._replace(batch_id=uuid7()))


def _parts_of(items: Sequence[Incoming]) -> dict[tuple[UUID, int], ArrivedPart]:
    """Put the events of a part together, which came in one entry, one by one."""
    parts: dict[tuple[UUID, int], ArrivedPart] = {}
    part: ArrivedPart | None = None
    batch: Batch | None = None
    for item in items:
        if item.batch is not batch:
            batch = item.batch
            part = parts.setdefault(
                (batch.batch_id, item.part), ArrivedPart(batch, item.part, item.size)
            )
            if part.batch is not batch:  # the same, delivered twice
                part = None
        if part is not None:
            part.events.append(item.event)
            part.times.append(item.time)
    return parts


def _be_apart(part: ArrivedPart) -> None:
    """Give a batch of its own to what is only a piece of a part.

    The rest of the part comes in another transaction, or is put aside; if the part were
    remembered now, it would be passed over as known. A piece that is delivered again is
    recognised by its events.
    """
    if len(part.events) < part.size:
        part.batch = part.batch._replace(batch_id=uuid7())


def _enriched(events: list[StreamEvent]) -> list[StreamEvent]:
    steps = {type_: EVENT_TYPES[type_].steps for type_ in {e.type for e in events}}
    if not any(steps.values()):
        return events
    return [_with_steps(event) for event in events]


def _with_steps(event: StreamEvent) -> StreamEvent:
    event_type = EVENT_TYPES[event.type]
    if not event_type.steps:
        return event
    added = event_type.enriched(UUID(event.subject), event.time, event.data)
    return event._replace(content=orjson.dumps(dict(added)))


def _tallied(
    parts: Sequence[ArrivedPart], new: Sequence[StreamEvent]
) -> dict[UUID, Tally]:
    """Count per subject what was stored, and what repeats something stored before."""
    times: defaultdict[str, list[datetime]] = defaultdict(list)
    for event in new:
        times[event.subject].append(event.time)
    tallies = {
        subject: Tally(len(moments), 0, min(moments), max(moments))
        for subject, moments in times.items()
    }
    if sum(len(part.events) for part in parts) > len(new):
        came = Counter(event.subject for part in parts for event in part.events)
        for subject, number in came.items():
            tally = tallies.setdefault(subject, Tally())
            tally.repeated = number - tally.stored
    return {UUID(subject): tally for subject, tally in tallies.items()}


def _counting(repeats: int) -> Callable[[], Awaitable[None]]:
    async def count() -> None:
        REPEATED.inc(repeats)

    return count
