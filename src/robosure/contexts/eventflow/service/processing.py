"""Processing: each event enriched, stored once, counted, and handed on if it is new."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from robosure.contexts.eventflow.repository import PartTally, SqlIngest, Tally
from robosure.contexts.eventflow.schemas import EVENT_TYPES
from robosure.contexts.eventflow.service.feed import announce
from robosure.kernel.ids import uuid7
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database import WriteSession
from robosure.platform.metrics import counter
from robosure.platform.outbox import attribute_facts
from robosure.platform.streams import Batch, BatchHandler, Incoming, Letter, StreamEvent
from robosure.platform.streams.bus import INGEST, Entry
from robosure.platform.streams.ingest import read, written

GROUP: Final = "eventflow.ingest"
"""The consumer group that takes events in."""
REPEATED: Final = counter(
    "eventflow_events_repeated_total", "Events recognised as repeats."
)


class EventProcessor:
    """What incoming events go through: stored once, counted, handed on if new."""

    stream = INGEST
    group = GROUP

    def __init__(self, handlers: Sequence[BatchHandler]) -> None:
        self._handlers = handlers

    def decode(self, entry: Entry) -> Sequence[Incoming]:
        """Read a part of a batch."""
        return read(entry.value)

    async def apply(self, session: WriteSession, items: Sequence[Incoming]) -> None:
        """Enrich the events, store them, and give the new ones to the handlers.

        What handlers tell carries the correlation id of the last of the batches.
        """
        parts: dict[tuple[UUID, int], PartTally] = {}
        once: list[Incoming] = []
        for item in items:
            part = item.batch.batch_id, item.part
            tally = parts.get(part)
            if tally is None:
                tally = parts[part] = PartTally.beginning(item)
            if tally.batch is item.batch:  # and not the same, delivered twice
                tally.count(item.event)
                once.append(item)
        ingest = SqlIngest(session)
        done = await ingest.parts_done(parts.values())
        items = _pieces_apart(
            [i for i in once if (i.batch.batch_id, i.part) not in done], parts
        )
        for known in done & parts.keys():
            del parts[known]
        if items:
            enriched = [_enriched(item) for item in items]
            await self._take(session, ingest, enriched, parts)

    async def _take(
        self,
        session: WriteSession,
        ingest: SqlIngest,
        items: Sequence[Incoming],
        parts: dict[tuple[UUID, int], PartTally],
    ) -> None:
        stored = await ingest.store(items)
        tallies: defaultdict[str, Tally] = defaultdict(Tally)
        new: list[StreamEvent] = []
        for item in items:
            event = item.event
            is_new = stored is None or event.key in stored
            if is_new:
                new.append(event)
                parts[item.batch.batch_id, item.part].stored += 1
                if stored is not None:
                    stored.remove(event.key)  # the next of this key repeats it
            tallies[event.subject].count(event, new=is_new)
        await ingest.record(parts.values())
        announce(session)
        await ingest.count({UUID(s): tally for s, tally in tallies.items()})
        last = items[-1].batch
        with correlated(Correlation(last.correlation_id, actor=last.principal)):
            for handler in self._handlers:
                chosen = [event for event in new if event.type == handler.event_type]
                if chosen:
                    await handler.handle(session, chosen)
            await session.run_sync(attribute_facts)
        session.after_commit(_counting(len(items) - len(new)))

    def letter(self, item: Incoming) -> Letter:
        """Write an event down, as a batch of its own."""
        event = item.event
        return Letter(
            consumer=GROUP,
            stream=INGEST,
            event_id=str(event.key),
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
        (item,) = read(content)
        return item._replace(batch=replace(item.batch, batch_id=uuid7()))


def _pieces_apart(
    items: list[Incoming], parts: dict[tuple[UUID, int], PartTally]
) -> list[Incoming]:
    """Give a batch of its own to what is only a piece of a part.

    The rest of the part comes in another transaction, or is put aside; if the part were
    remembered now, it would be passed over as known. A piece that is delivered again is
    recognised by its events.
    """
    sizes = {(item.batch.batch_id, item.part): item.size for item in items}
    own: dict[tuple[UUID, int], Batch] = {}
    for key, size in sizes.items():
        tally = parts[key]
        if tally.events < size:
            del parts[key]
            tally.batch = own[key] = replace(tally.batch, batch_id=uuid7())
            parts[tally.batch.batch_id, tally.part] = tally
    if not own:
        return items
    return [
        item._replace(batch=own.get((item.batch.batch_id, item.part), item.batch))
        for item in items
    ]


def _enriched(item: Incoming) -> Incoming:
    event = item.event
    event_type = EVENT_TYPES[event.type]
    if not event_type.steps:
        return item
    added = event_type.enriched(UUID(event.subject), event.time, event.data)
    data: dict[str, Any] = dict(added)
    return item._replace(
        event=event._replace(data=data), cloud_event={**item.cloud_event, "data": data}
    )


def _counting(repeats: int) -> Callable[[], Awaitable[None]]:
    async def count() -> None:
        REPEATED.inc(repeats)

    return count
