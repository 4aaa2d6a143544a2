"""The engine: reads a lane, lets what it reads take effect once, and acknowledges.

One transaction holds the dedupe rows and the effects of a micro-batch; only when it is
committed are the entries acknowledged. Delivered at least once, in effect once.

Four kinds of failure, and what each costs:

- a server is away: wait, with backoff and jitter; no event is blamed;
- an event fails, and may not fail again: it is tried alone, with backoff;
- an event always fails: the batch is halved until it stands alone, it is put aside as a
  dead letter, and the rest commits;
- an event kills its worker: what is delivered again and again is handled one by one,
  and what was alone when a worker died is put aside unhandled.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic

from robosure.kernel.errors import DomainError, ErrorKind
from robosure.kernel.time import Clock, SystemClock
from robosure.platform.database.session import Database, WriteSession
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import (
    EVENT_BATCH_SIZE,
    EVENT_LATENCY_SECONDS,
    EVENT_PROCESSING_SECONDS,
    EVENTS_FAILED,
    EVENTS_PROCESSED,
    STREAM_LANES,
)
from robosure.platform.streams.bus import Entry, Lane
from robosure.platform.streams.effects import Effects, Item
from robosure.platform.streams.letters import KilledWorkersError, Letter, put_aside
from robosure.platform.streams.suspects import Suspects
from robosure.platform.streams.trials import Trials, passing, without

_WAIT_SECONDS: Final = 0.5
_GATHERING_SECONDS: Final = 0.05
"""What comes within this time of a lane's last batch is handled together, for most of
what a small batch costs is its transaction. What comes later is handled at once.
"""
_FIRST_BACKOFF: Final = 0.1
_LONGEST_BACKOFF: Final = 15.0
_LONGEST_ABSENCE: Final = 2.0
"""Asking a server whether it is back is cheap, and everything waits for it."""
_BYTES: Final = 4_000_000
_SOUGHT_AMONG: Final = 1_000
_MOST_ENTRIES: Final = 1_000
_FIRST_ITEMS_PER_ENTRY: Final = 100.0


def backoff(attempt: int, longest: float = _LONGEST_BACKOFF) -> float:
    """Return seconds to wait after that many failures: doubling, with jitter."""
    seconds = min(longest, _FIRST_BACKOFF * 2.0 ** min(attempt, 20))
    return seconds * random.uniform(0.5, 1.0)  # nosec B311 # noqa: S311 - jitter, no secret


@dataclass(frozen=True, slots=True)
class _Fault(Generic[Item]):
    """An item that fails by itself."""

    item: Item
    error: Exception
    attempts: int


@dataclass(frozen=True, slots=True)
class _Tenure:
    """The owning of a lane, from taking it to giving it up."""

    lane: Lane
    released: asyncio.Event
    suspects: Suspects


class Engine(LoggerMixin, Generic[Item]):
    """Handles lanes, several at a time, for one group."""

    def __init__(
        self,
        database: Database,
        effects: Effects[Item],
        *,
        attempts: int = 3,
        items_at_once: int = 4_000,
        in_flight: int = 2,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            database: where the effects go.
            effects: what to do.
            attempts: how often an item is tried alone before it is put aside.
            items_at_once: about how many items a transaction takes, if they wait.
            in_flight: transactions at a time, each of another lane.
            clock: says when an item failed.
        """
        self._database = database
        self._effects = effects
        self._attempts = attempts
        self._items_at_once = items_at_once
        self._trials = Trials(database, effects, at_once=in_flight)
        self._clock = clock or SystemClock()
        self._items_per_entry = _FIRST_ITEMS_PER_ENTRY
        self._group = effects.group
        self._work = effects.stream, effects.group

    async def work(self, lane: Lane, released: asyncio.Event) -> None:
        """Handle what the lane holds and what comes, until released.

        What is being handled then is finished and acknowledged.
        """
        tenure = self._tenure(lane, released)
        owned = STREAM_LANES.labels(lane.stream, self._group)
        owned.inc()
        failures = 0
        try:
            while not released.is_set():
                try:
                    limit = self._limit  # as of now, for what is taken changes it
                    taken = await self._take(tenure, limit, wait=_WAIT_SECONDS)
                    failures = 0
                    if 0 < taken < limit:
                        await _pause(released, _GATHERING_SECONDS)
                except _ReleasedError:
                    return
                except Exception as error:
                    lane.rewind()
                    failures += 1
                    self.logger.warning(
                        "platform.engine.processing_postponed",
                        consumer=self._group,
                        stream=lane.stream,
                        partition=lane.partition,
                        reason=str(error)[:300],
                        failures=failures,
                        exc_info=None if passing(error) else error,
                    )
                    await _pause(released, backoff(failures, _LONGEST_ABSENCE))
        finally:
            owned.dec()

    async def drain(self, lane: Lane) -> int:
        """Handle until nothing is left; return how many entries; errors come out."""
        tenure = self._tenure(lane, asyncio.Event())
        handled = 0
        lane.rewind()
        while taken := await self._take(tenure, self._limit, wait=0):
            handled += taken
        return handled

    def _tenure(self, lane: Lane, released: asyncio.Event) -> _Tenure:
        return _Tenure(lane, released, Suspects(self._database, self._group))

    @property
    def _limit(self) -> int:
        """How many entries are read at a time, if they wait."""
        limit = int(self._items_at_once / self._items_per_entry)
        return max(1, min(limit, _MOST_ENTRIES))

    async def _take(self, tenure: _Tenure, limit: int, *, wait: float) -> int:
        """Read and handle; what is not begun when the lane is released stays there."""
        entries = await tenure.lane.read(limit, wait=wait)
        for part in _micro_batches(entries):
            if tenure.released.is_set():
                break
            await self._handle(tenure, part)
            await tenure.lane.acknowledge(part)
        return len(entries)

    async def _handle(self, tenure: _Tenure, entries: Sequence[Entry]) -> None:
        started = time.perf_counter()
        lane = tenure.lane
        left = [_name(lane, entry) for entry in entries if entry.redelivered]
        suspects = await tenure.suspects.among(left) if left else set[str]()
        items: list[Item] = []
        handled = 0
        for entry in entries:
            decoded = await self._decoded(lane, entry)
            handled += len(decoded)
            if suspects and _name(lane, entry) in suspects:
                await self._commit(tenure, items)  # what came before comes first
                items = []
                for item in decoded:
                    await self._handle_alone(tenure, item)
            else:
                items.extend(decoded)
        await self._commit(tenure, items)
        if left:
            await tenure.suspects.clear(left)
        # Up at once and down by halves, for what is read is held in memory.
        self._items_per_entry = max(
            1.0, handled / len(entries), self._items_per_entry / 2
        )
        self._observe(entries, handled, time.perf_counter() - started)

    def _observe(self, entries: Sequence[Entry], items: int, seconds: float) -> None:
        now = time.time()
        EVENT_LATENCY_SECONDS.labels(*self._work).observe_all(
            [now - entry.appended_at for entry in entries]
        )
        EVENT_BATCH_SIZE.labels(*self._work).observe(items)
        EVENT_PROCESSING_SECONDS.labels(*self._work).observe(seconds)

    async def _decoded(self, lane: Lane, entry: Entry) -> Sequence[Item]:
        try:
            return self._effects.decode(entry)
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest must pass
            await self._keep_unreadable(lane, entry, error)
            return ()

    async def _commit(self, tenure: _Tenure, items: Sequence[Item]) -> None:
        if not items:
            return
        try:
            await self._apply(items, ())
        except Exception as error:
            if passing(error):
                raise
            self.logger.warning(
                "platform.engine.batch_halved",
                consumer=self._group,
                items=len(items),
                reason=str(error)[:300],
            )
            # In smaller parts, so that one at fault is sought among fewer.
            for first in range(0, len(items), _SOUGHT_AMONG):
                part = items[first : first + _SOUGHT_AMONG]
                whole = len(part) == len(items)
                left = await self._separate(tenure, part, error if whole else None)
                while left:
                    left = await self._separate(tenure, left)

    async def _apply(
        self, items: Sequence[Item], faults: Sequence[_Fault[Item]]
    ) -> None:
        """Commit the items, and put the faulty ones aside, in one transaction."""
        async with self._trials.transaction() as session:
            if items:
                await self._effects.apply(session, items)
            for fault in faults:
                await self._put_aside(session, fault)
        EVENTS_PROCESSED.labels(*self._work).inc(len(items))
        EVENTS_FAILED.labels(*self._work).inc(len(faults))

    async def _put_aside(self, session: WriteSession, fault: _Fault[Item]) -> None:
        letter = self._effects.letter(fault.item)
        await put_aside(
            session,
            letter,
            error=fault.error,
            attempts=fault.attempts,
            at=self._clock.now(),
        )
        self.logger.error(
            "platform.engine.event_failed",
            consumer=self._group,
            event_id=letter.event_id,
            type=letter.type,
            attempts=fault.attempts,
            correlation_id=letter.correlation_id,
            exc_info=fault.error,
        )

    async def _separate(
        self, tenure: _Tenure, items: Sequence[Item], known: Exception | None = None
    ) -> Sequence[Item]:
        """Commit what is sound, and put aside what always fails; return what is left.

        Something is left after many faults: with ever more that is sound, trying a
        flood of them would take longer and longer.
        """
        faulty, reached = await self._trials.faulty(items, known)
        for attempt in range(1, self._attempts):
            if all(map(_for_good, faulty.values())):
                break
            await _pause(tenure.released, backoff(attempt))
            if tenure.released.is_set():
                raise _ReleasedError
            for at in sorted(faulty):
                if _for_good(faulty[at]):
                    continue
                error = await self._trials.attempt(
                    without(items[: at + 1], {*faulty} - {at})
                )
                if error is None:
                    del faulty[at]
                else:
                    faulty[at] = error
        faults = [
            _Fault(items[at], error, 1 if _for_good(error) else self._attempts)
            for at, error in faulty.items()
        ]
        try:
            await self._apply(without(items[:reached], faulty), faults)
        except Exception as error:
            if passing(error):
                raise
            await self._part(tenure, items[:reached], error)
        return items[reached:]

    async def _part(
        self, tenure: _Tenure, items: Sequence[Item], error: Exception
    ) -> None:
        """Commit one by one what passed every trial and still cannot be committed."""
        if len(items) == 1:
            await self._apply([], [_Fault(items[0], error, self._attempts)])
        else:
            for item in items:
                await self._commit(tenure, [item])

    async def _handle_alone(self, tenure: _Tenure, item: Item) -> None:
        """Handle an item of an entry that workers died of, noting first that we do."""
        event_id = self._effects.letter(item).event_id
        died = await tenure.suspects.died_of(event_id)
        if died:
            killed = KilledWorkersError("its worker died while it was handled alone")
            await self._apply([], [_Fault(item, killed, died)])
        else:
            try:
                await self._commit(tenure, [item])
            except Exception:
                with suppress(Exception):  # what it raised says more
                    await tenure.suspects.clear([event_id])
                raise
        await tenure.suspects.clear([event_id])

    async def _keep_unreadable(
        self, lane: Lane, entry: Entry, error: Exception
    ) -> None:
        """Keep what nobody can read where a person can look at it."""
        at = self._clock.now()
        letter = Letter(
            consumer=self._group,
            stream=lane.stream,
            event_id=_name(lane, entry),
            type="unreadable",
            content=entry.value.decode("utf-8", "backslashreplace"),
            occurred_at=at,
        )
        self.logger.error(
            "platform.engine.entry_unreadable", entry=letter.event_id, exc_info=error
        )
        async with self._database.write() as session:
            await put_aside(session, letter, error=error, attempts=1, at=at)
        EVENTS_FAILED.labels(*self._work).inc()


def _for_good(error: Exception) -> bool:
    """Whether trying again cannot help: the domain says that the event is wrong."""
    return isinstance(error, DomainError) and error.kind in {
        ErrorKind.INVALID,
        ErrorKind.MALFORMED,
    }


class _ReleasedError(Exception):
    """The lane is to be given up while an item waits to be tried again."""


def _name(lane: Lane, entry: Entry) -> str:
    return f"{lane.stream}/{lane.partition}/{entry.position}"


def _micro_batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Cut entries into what one transaction takes: about so many bytes, one or more."""
    part: list[Entry] = []
    size = 0
    for entry in entries:
        part.append(entry)
        size += len(entry.value)
        if size >= _BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


async def _pause(released: asyncio.Event, seconds: float) -> None:
    """Wait, but not for longer than until the lane is to be released."""
    with suppress(TimeoutError):
        await asyncio.wait_for(released.wait(), seconds)
