"""Consumers: a context listens to another's facts with its own consumer group.

Per event one transaction holds the inbox row and the handler's effects. Events of one
publishing context are handled in order; a failing handler is retried with backoff in
its place, and after the last attempt the event is put aside so that the rest may pass.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

from opentelemetry.trace import SpanKind
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy.exc import SQLAlchemyError

from robosure.kernel.events import DomainEvent
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database.session import Database, WriteSession
from robosure.platform.events import Envelope, Told, adapter, context_of, type_of
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import (
    EVENT_PROCESSING_SECONDS,
    EVENTS_FAILED,
    EVENTS_PROCESSED,
    STREAM_LAG,
)
from robosure.platform.outages import infrastructure_is_away
from robosure.platform.streams.inbox import first_time, put_aside
from robosure.platform.streams.keys import ensure_group, events_of, trim_acknowledged
from robosure.platform.streams.relay import read_told
from robosure.platform.tracing import span

E = TypeVar("E", bound=DomainEvent)
Handler = Callable[[WriteSession, E, Envelope], Awaitable[None]]
Entry = tuple[bytes, dict[bytes, bytes]]

_COUNT: Final = 100
_BLOCK_MS: Final = 1000
_RECLAIM_SECONDS: Final = 15.0
_STALE_MS: Final = 30_000
_FIRST_BACKOFF: Final = 0.1
_LONGEST_BACKOFF: Final = 15.0


@dataclass(frozen=True)
class Consumer(Generic[E]):
    """One context's reaction to one kind of fact."""

    event: type[E]
    group: str
    handler: Handler[E]


def on(event: type[E], *, group: str, handler: Handler[E]) -> Consumer[E]:
    """Declare that the context ``group`` reacts to ``event`` with ``handler``."""
    return Consumer(event, group, handler)


def backoff(attempt: int) -> float:
    """Return seconds to wait after that many failures: doubling, with jitter."""
    longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0**attempt)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret


class Subscription(LoggerMixin):
    """A context's consumer group on the stream of one publishing context."""

    def __init__(
        self,
        consumers: Sequence[Consumer[Any]],
        *,
        database: Database,
        redis: Redis,
        name: str,
        attempts: int,
    ) -> None:
        first = consumers[0]
        self.group = first.group
        self.publisher = context_of(first.event)
        self._stream = events_of(self.publisher)
        self._handlers = {type_of(c.event): c for c in consumers}
        self._database = database
        self._redis = redis
        self._name = name
        self._attempts = attempts
        self._reclaimed_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Handle events until stopped: what was left pending first, then new ones."""
        failures = 0
        unfinished = True
        while not stop.is_set():
            try:
                if unfinished:
                    await ensure_group(self._redis, self._stream, self.group)
                    while left := await self._read("0"):
                        await self._handle_all(left, stop)
                        if stop.is_set():
                            return
                    unfinished = False
                await self._reclaim(stop)
                await self._handle_all(await self._read(">", block=_BLOCK_MS), stop)
                failures = 0
            except (RedisError, OSError, SQLAlchemyError) as error:
                if not _passing(error):
                    raise
                unfinished = True
                failures += 1
                self.logger.warning(
                    "platform.consumer.read_postponed",
                    consumer=self.group,
                    stream=self._stream,
                    reason=str(error)[:300],
                )
                await asyncio.sleep(backoff(failures))

    async def drain(self) -> int:
        """Handle everything there is, and return how many; for tests and replays."""
        stop = asyncio.Event()
        await ensure_group(self._redis, self._stream, self.group)
        handled = 0
        while entries := [*await self._read("0"), *await self._read(">")]:
            await self._handle_all(entries, stop)
            handled += len(entries)
        return handled

    async def _read(self, start: str, *, block: int | None = None) -> list[Entry]:
        answer: Any = await self._redis.xreadgroup(
            self.group, self._name, {self._stream: start}, count=_COUNT, block=block
        )
        return entries_of(answer)

    async def _reclaim(self, stop: asyncio.Event) -> None:
        """On a timer: take over what a lost worker left, trim, and measure the lag."""
        if time.monotonic() - self._reclaimed_at < _RECLAIM_SECONDS:
            return
        self._reclaimed_at = time.monotonic()
        claimed: Any = await self._redis.xautoclaim(
            self._stream, self.group, self._name, _STALE_MS, count=_COUNT
        )
        await self._handle_all([entry for entry in claimed[1] if entry[1]], stop)
        await trim_acknowledged(self._redis, self._stream)
        waiting = await self._redis.xlen(self._stream)
        STREAM_LAG.labels(self._stream, self.group).set(waiting)

    async def _handle_all(self, entries: Sequence[Entry], stop: asyncio.Event) -> None:
        for entry_id, fields in entries:
            if stop.is_set():
                return
            await self._handle(read_told(fields))
            await self._redis.xack(self._stream, self.group, entry_id)

    async def _handle(self, told: Told) -> None:
        consumer = self._handlers.get(told.envelope.type)
        if consumer is None:
            return
        failures = 0
        while True:
            try:
                with EVENT_PROCESSING_SECONDS.labels(self.group).time():
                    await self._take_effect(consumer, told)
            except Exception as error:
                if infrastructure_is_away(error):
                    raise
                failures += 1
                if failures >= self._attempts:
                    await self._put_aside(told, error, failures)
                    return
                await asyncio.sleep(backoff(failures))
            else:
                EVENTS_PROCESSED.labels(self.group).inc()
                return

    async def _take_effect(self, consumer: Consumer[Any], told: Told) -> None:
        envelope = told.envelope
        because = Correlation(
            envelope.correlation_id, envelope.event_id, envelope.actor
        )
        with correlated(because), span(envelope.type, kind=SpanKind.CONSUMER):
            async with self._database.write() as session:
                if await first_time(session, self.group, envelope.event_id):
                    event = adapter(consumer.event).validate_python(told.payload)
                    await consumer.handler(session, event, envelope)

    async def _put_aside(self, told: Told, error: Exception, attempts: int) -> None:
        self.logger.error(
            "platform.consumer.event_failed",
            consumer=self.group,
            event_id=str(told.envelope.event_id),
            type=told.envelope.type,
            attempts=attempts,
            exc_info=error,
        )
        async with self._database.write() as session:
            await put_aside(session, self.group, told, error=error, attempts=attempts)
        EVENTS_FAILED.labels(self.group).inc()


def subscriptions(
    consumers: Sequence[Consumer[Any]],
    *,
    database: Database,
    redis: Redis,
    name: str,
    attempts: int,
) -> list[Subscription]:
    """Group consumers into subscriptions: one per listening and publishing context.

    Raises:
        ValueError: a context has two handlers for one kind of fact.
    """
    grouped: dict[tuple[str, str], list[Consumer[Any]]] = {}
    for consumer in consumers:
        key = consumer.group, context_of(consumer.event)
        same = grouped.setdefault(key, [])
        if any(other.event is consumer.event for other in same):
            message = f"{consumer.group} handles {type_of(consumer.event)} twice"
            raise ValueError(message)
        same.append(consumer)
    return [
        Subscription(
            group, database=database, redis=redis, name=name, attempts=attempts
        )
        for group in grouped.values()
    ]


def entries_of(answer: Any) -> list[Entry]:
    """Read the entries of one stream from what XREADGROUP answers.

    Entries trimmed while pending come back without fields and are left out.
    """
    streams: list[Any] = list(answer.values()) if hasattr(answer, "values") else []
    if not streams:
        streams = [entries for _, entries in answer or ()]
    found: list[Entry] = []
    for entries in streams:
        for entry in entries:
            several = isinstance(entry, list)
            nested: list[Any] = cast("list[Any]", entry) if several else [entry]
            found.extend((each[0], each[1]) for each in nested if each[1])
    return found


def _passing(error: Exception) -> bool:
    """NOGROUP after a wiped Redis is mended by creating the group again."""
    if isinstance(error, ResponseError):
        return "NOGROUP" in str(error) or "LOADING" in str(error)
    return infrastructure_is_away(error)
