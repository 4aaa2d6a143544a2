"""The worker: micro-batches, one transaction each, and what happens when one fails.

One transaction holds the inbox rows of several batches and all their effects; only then
are their stream entries acknowledged. A batch is delivered at least once and has its
effects once.

Where a transaction fails on its events, they are halved until the ones at fault stand
alone. Those are put aside, and the rest commits, still in one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy.dialects.postgresql import insert

from robosure.kernel.errors import Unavailable
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database.session import Database, WriteSession
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import (
    EVENT_PROCESSING_SECONDS,
    EVENTS_FAILED,
    EVENTS_PROCESSED,
    STREAM_LAG,
)
from robosure.platform.outages import infrastructure_is_away
from robosure.platform.streams.consumers import Entry, backoff, entries_of
from robosure.platform.streams.inbox import inbox
from robosure.platform.streams.ingest.batches import FIELD, Batch, StreamEvent, read
from robosure.platform.streams.keys import (
    INGEST,
    ensure_group,
    oldest_waiting,
    trim_acknowledged,
)

GROUP: Final = "eventflow"
INBOX: Final = f"{GROUP}:ingest"
UNREADABLE: Final = f"{INGEST}:unreadable"
_ENTRIES: Final = 64
_BYTES: Final = 2_000_000
_BLOCK_MS: Final = 1_000
_STALE_MS: Final = 30_000
_UPKEEP_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Fault:
    """An event that fails by itself."""

    event: StreamEvent
    batch: Batch
    error: Exception


Process = Callable[[WriteSession, Sequence[Batch]], Awaitable[None]]
RecordFailure = Callable[[WriteSession, StreamEvent, Batch, Exception], Awaitable[None]]


async def waiting_since(redis: Redis) -> datetime | None:
    """Return when the oldest batch was accepted that has not taken effect yet."""
    return await oldest_waiting(redis, INGEST, GROUP)


class IngestWorker(LoggerMixin):
    """Reads batches with a consumer group and gives them to a processor.

    Trouble with the database or Redis is nobody's fault: the worker waits and tries
    again, and no event is blamed for it.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        *,
        process: Process,
        record_failure: RecordFailure,
        name: str,
        attempts: int = 3,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            database: where the effects go.
            redis: where the stream is.
            process: takes the batches' effects in the given transaction. It is given
                each batch at most once per transaction, perhaps with some events less.
            record_failure: keeps an event that failed, and why.
            name: this consumer's; the same after a restart, and no other worker's.
            attempts: how often an event is tried alone before it is put aside.
        """
        self._database = database
        self._redis = redis
        self._process = process
        self._record_failure = record_failure
        self._name = name
        self._attempts = attempts
        self._upkeep_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Process until stopped: what was left pending first, then what comes.

        What is being processed when ``stop`` is set is finished and acknowledged.
        """
        failures = 0
        recover = True
        while not stop.is_set():
            try:
                if recover:
                    await ensure_group(self._redis, INGEST, GROUP)
                    recover = bool(await self._take("0"))
                    continue
                await self._keep_up()
                await self._take(">", block=_BLOCK_MS)
                failures = 0
            except Exception as error:
                recover = True
                failures += 1
                self.logger.warning(
                    "platform.ingest.processing_postponed",
                    reason=str(error)[:300],
                    failures=failures,
                    exc_info=None if _passing(error) else error,
                )
                await _pause(stop, backoff(failures))

    async def drain(self) -> int:
        """Process until nothing is left; return how many entries; errors come out."""
        await ensure_group(self._redis, INGEST, GROUP)
        handled = 0
        while taken := await self._take("0") or await self._take(">"):
            handled += taken
        await trim_acknowledged(self._redis, INGEST)
        return handled

    async def _take(self, start: str, *, block: int | None = None) -> int:
        answer: Any = await self._redis.xreadgroup(
            GROUP, self._name, {INGEST: start}, count=_ENTRIES, block=block
        )
        entries = entries_of(answer)
        await self._handle(entries)
        return len(entries)

    async def _keep_up(self) -> None:
        """On a timer: take over what a lost worker left, trim, and measure the lag."""
        if time.monotonic() - self._upkeep_at < _UPKEEP_SECONDS:
            return
        start: Any = "0-0"
        while True:
            claimed: Any = await self._redis.xautoclaim(
                INGEST, GROUP, self._name, _STALE_MS, start_id=start, count=_ENTRIES
            )
            await self._handle([entry for entry in claimed[1] if entry[1]])
            start = claimed[0]
            if start in {b"0-0", "0-0"}:
                break
        await trim_acknowledged(self._redis, INGEST)
        STREAM_LAG.labels(INGEST, GROUP).set(await self._redis.xlen(INGEST))
        self._upkeep_at = time.monotonic()

    async def _handle(self, entries: Sequence[Entry]) -> None:
        for part in _micro_batches(entries):
            await self._handle_together(part)

    async def _handle_together(self, entries: Sequence[Entry]) -> None:
        readable: dict[bytes, Batch] = {}
        for entry_id, fields in entries:
            try:
                readable[entry_id] = read(fields)
            except (KeyError, TypeError, ValueError) as error:
                await self._set_aside(entry_id, fields, error)
        if readable:
            with EVENT_PROCESSING_SECONDS.labels(GROUP).time():
                await self._commit(readable.values())
            await self._redis.xack(INGEST, GROUP, *readable)

    async def _set_aside(
        self, entry_id: bytes, fields: dict[bytes, bytes], error: Exception
    ) -> None:
        """Keep an entry that nobody can read where a person can look at it."""
        self.logger.error(
            "platform.ingest.entry_unreadable", entry=entry_id, exc_info=error
        )
        kept: dict[Any, Any] = {**fields, b"error": str(error)[:500]}
        await self._redis.xadd(UNREADABLE, kept)
        await self._redis.xack(INGEST, GROUP, entry_id)

    async def _commit(self, taken: Iterable[Batch]) -> None:
        """Give the batches their effects, in one transaction.

        What it tells carries the correlation id of the last of them.
        """
        batches = list({batch.batch_id: batch for batch in taken}.values())
        last = batches[-1]
        with correlated(Correlation(last.correlation_id, actor=last.principal)):
            await self._commit_together(batches)

    async def _commit_together(self, batches: Sequence[Batch]) -> None:
        try:
            done = await self._apply(batches, ())
        except Exception as error:
            if _passing(error):
                raise
            self.logger.warning(
                "platform.ingest.batches_halved",
                batches=len(batches),
                reason=str(error)[:300],
            )
            done = await self._apply(batches, await self._faults(batches))
        EVENTS_PROCESSED.labels(GROUP).inc(done)

    async def _apply(self, batches: Sequence[Batch], faults: Sequence[_Fault]) -> int:
        """Commit all events but those at fault, and record those; count the others."""
        async with self._database.write() as session:
            fresh = await _first_time(session, batches)
            sound = _without(fresh.values(), {id(fault.event) for fault in faults})
            if sound:
                await self._process(session, sound)
            new_faults = [f for f in faults if f.batch.batch_id in fresh]
            for fault in new_faults:
                await self._record_failure(
                    session, fault.event, fault.batch, fault.error
                )
        for fault in new_faults:
            self.logger.error(
                "platform.ingest.event_failed",
                source=fault.event.source,
                event_id=fault.event.id,
                batch_id=str(fault.batch.batch_id),
                correlation_id=fault.batch.correlation_id,
                exc_info=fault.error,
            )
        EVENTS_FAILED.labels(GROUP).inc(len(new_faults))
        return sum(len(batch.events) for batch in sound)

    async def _faults(self, batches: Sequence[Batch]) -> list[_Fault]:
        """Find the events at fault, by trying ever smaller parts and undoing each try.

        A part is tried together with all that was found sound before it, so what
        remains in the end has passed as a whole.
        """
        sound: list[Batch] = []
        faults: list[_Fault] = []
        parts = [[batch for batch in batches if batch.events]]
        while parts:
            part = parts.pop()
            error = await self._try([*sound, *part])
            if error is None:
                sound.extend(part)
            elif halves := _halves(part):
                parts.extend(reversed(halves))
            elif error := await self._insist([*sound, *part], error):
                (batch,) = part
                (event,) = batch.events
                faults.append(_Fault(event, batch, error))
            else:
                sound.extend(part)
        return faults

    async def _insist(
        self, batches: Sequence[Batch], error: Exception
    ) -> Exception | None:
        """Give an event that stands alone, and failed, its remaining attempts."""
        last: Exception | None = error
        for attempt in range(1, self._attempts):
            await asyncio.sleep(backoff(attempt))
            last = await self._try(batches)
            if last is None:
                return None
        return last

    async def _try(self, batches: Sequence[Batch]) -> Exception | None:
        """Process in a transaction that is undone; return what it failed on."""
        try:
            async with self._database.write() as session:
                await self._process(session, _merged(batches))
                await session.flush()
                raise _UndoneError  # noqa: TRY301 - raised to roll back
        except _UndoneError:
            return None
        except Exception as error:
            if _passing(error):
                raise
            return error


class _UndoneError(Exception):
    """Rolls a trial back."""


async def _first_time(
    session: WriteSession, batches: Sequence[Batch]
) -> dict[UUID, Batch]:
    """Claim the batches; return, by id, those whose effects are not there yet."""
    ids = sorted(batch.batch_id for batch in batches)
    claim = (
        insert(inbox)
        .values([{"consumer": INBOX, "event_id": batch_id} for batch_id in ids])
        .on_conflict_do_nothing()
        .returning(inbox.c.event_id)
    )
    claimed = set((await session.execute(claim)).scalars())
    return {batch.batch_id: batch for batch in batches if batch.batch_id in claimed}


def _micro_batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Cut entries into what one transaction takes: about so many bytes, one or more."""
    part: list[Entry] = []
    size = 0
    for entry in entries:
        part.append(entry)
        size += len(entry[1].get(FIELD, b""))
        if size >= _BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _halves(batches: list[Batch]) -> list[list[Batch]]:
    """Cut batches, or the events of the only one, in two; a single event gives none."""
    middle = len(batches) // 2
    if middle:
        return [batches[:middle], batches[middle:]]
    (batch,) = batches
    middle = len(batch.events) // 2
    if not middle:
        return []
    parts = batch.events[:middle], batch.events[middle:]
    return [[replace(batch, events=part)] for part in parts]


def _merged(batches: Iterable[Batch]) -> list[Batch]:
    """Put the parts of a batch together again, in their order."""
    whole: dict[UUID, Batch] = {}
    for batch in batches:
        before = whole.get(batch.batch_id)
        events = [*before.events, *batch.events] if before else batch.events
        whole[batch.batch_id] = replace(batch, events=events)
    return list(whole.values())


def _without(batches: Iterable[Batch], faulty: set[int]) -> list[Batch]:
    """Leave out the events at fault (by ``id()``), and batches left with none."""
    remaining = (
        replace(batch, events=[e for e in batch.events if id(e) not in faulty])
        for batch in batches
    )
    return [batch for batch in remaining if batch.events]


def _passing(error: Exception) -> bool:
    """Whether a server is the trouble, and not an event."""
    return infrastructure_is_away(error) or isinstance(error, Unavailable)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not for longer than until the worker is to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
