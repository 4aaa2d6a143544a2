"""The event bus on Redis Streams.

A partition is a stream of its own. Whoever holds a lane's lease reads it under the one
consumer name that the lane has, so what a lost owner left pending is simply the next
owner's, without claiming anything from anybody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from robosure.platform.logging import LoggerMixin
from robosure.platform.streams.appending import Appender, key_of
from robosure.platform.streams.bus import Backlog, BusAwayError, Entry, Record, Work
from robosure.platform.streams.leases import LEASE_SECONDS, Leases

FIELD: Final = b"v"
"""The field of a stream entry that holds the value."""
_CONSUMER: Final = "owner"
_NEW: Final = ">"
_FIRST: Final = "0"
_MEMORY_UNLIMITED: Final = 0
_LONGEST_BLOCK: Final = 1.0
_COUNTED_EXACTLY: Final = 100
T = TypeVar("T")


class RedisLane:
    """A partition, read as the group's one consumer of it."""

    def __init__(
        self, redis: Redis, reading: Redis, stream: str, group: str, partition: int
    ) -> None:
        self._redis = redis
        self._reading = reading
        self._key = key_of(stream, partition)
        self._cursor = _FIRST
        self.stream = stream
        self.group = group
        self.partition = partition

    async def read(self, limit: int, *, wait: float = 0.0) -> Sequence[Entry]:
        """Return what was left unacknowledged, and after that what is new."""
        until = time.monotonic() + wait
        while True:
            left = until - time.monotonic()
            new = self._cursor == _NEW
            answer = await self._ask(limit, left if new and left > 0 else None)
            gone = [at for at, fields in answer if not fields]
            if gone:  # trimmed by a person while pending; nothing can be done for it
                await _away(self._redis.xack(self._key, self.group, *gone))
            if not new:
                self._cursor = answer[-1][0].decode() if answer else _NEW
            entries = [
                Entry(
                    position=(position := at.decode()),
                    value=fields[FIELD],
                    appended_at=int(position.partition("-")[0]) / 1000,
                    redelivered=not new,
                )
                for at, fields in answer
                if fields
            ]
            if entries or (new and left <= 0):
                return entries

    async def _ask(
        self, limit: int, wait: float | None
    ) -> list[tuple[bytes, dict[bytes, bytes]]]:
        block = (
            None if wait is None else max(1, round(min(wait, _LONGEST_BLOCK) * 1000))
        )
        try:
            answer: Any = await _away(
                self._reading.xreadgroup(
                    self.group,
                    _CONSUMER,
                    {self._key: self._cursor},
                    count=limit,
                    block=block,
                )
            )
        except ResponseError as error:
            if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                raise
            # A wiped or restored Redis; from the beginning, and repeats are harmless.
            await ensure_group(self._redis, self._key, self.group)
            return []
        return _entries_of(answer)

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Take these off the group's pending list."""
        if entries:
            positions = [entry.position for entry in entries]
            await _away(self._redis.xack(self._key, self.group, *positions))

    def rewind(self) -> None:
        """Read again from the oldest that is not acknowledged."""
        self._cursor = _FIRST


class RedisBus(LoggerMixin):
    """Streams in one Redis, which must keep what it acknowledged: see `weaknesses`."""

    def __init__(
        self,
        redis: Redis,
        *,
        lease_seconds: float = LEASE_SECONDS,
        memory_bytes: int = _MEMORY_UNLIMITED,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            redis: where the streams are.
            lease_seconds: how long a lane stays with an owner that is silent.
            memory_bytes: the limit of a Redis that was given none.
        """
        self._memory_bytes = memory_bytes
        self._redis = redis
        # What Redis gave out in an answer that was lost is given out again only to who
        # reads from the first unacknowledged entry; a repeated command would read past.
        self._reading = _like(redis, retry=None, retry_on_error=[])
        # It has a clock for each write, and writes again what failed. Another clock for
        # each answer, or a note of when it came, costs more than the answer.
        self._appending = _like(redis, socket_timeout=None, health_check_interval=0)
        self._appender = Appender(self._appending)
        self._leases = Leases(redis, seconds=lease_seconds)
        self._lanes: dict[tuple[str, str], int] = {}

    async def declare(self, stream: str, group: str, *, partitions: int = 1) -> None:
        """Create the group at the beginning of every partition, unless it exists."""
        lanes = self._lanes[stream, group] = await self._existing(stream, partitions)
        for partition in range(lanes):
            await ensure_group(self._redis, key_of(stream, partition), group)

    def append(self, *records: Record) -> asyncio.Future[None]:
        """Append, in one write with everything else that waits to be appended."""
        return self._appender.append(records)

    async def serve(
        self,
        stream: str,
        group: str,
        *,
        partitions: int,
        work: Work,
        stop: asyncio.Event,
    ) -> None:
        """Hold leases on a fair share of the lanes, and work on them."""

        async def own(partition: int, released: asyncio.Event) -> None:
            await work(self._lane(stream, group, partition), released)

        lanes = self._lanes.get((stream, group), partitions)
        await self._leases.share(f"{stream}:{group}", lanes, own, stop=stop)

    @asynccontextmanager
    async def lanes(
        self, stream: str, group: str, *, partitions: int
    ) -> AsyncIterator[Sequence[RedisLane]]:
        """Own every lane without a lease, for whoever knows to be alone."""
        await self.declare(stream, group, partitions=partitions)
        lanes = range(self._lanes[stream, group])
        yield [self._lane(stream, group, partition) for partition in lanes]

    async def _existing(self, stream: str, partitions: int) -> int:
        """Return how many partitions there are, if there ever were more than now.

        What waits on them was accepted, and is handled as all else is.
        """
        while await _away(self._redis.exists(key_of(stream, partitions))):
            partitions += 1
        return partitions

    def _lane(self, stream: str, group: str, partition: int) -> RedisLane:
        return RedisLane(self._redis, self._reading, stream, group, partition)

    async def backlog(self, stream: str, group: str, *, partitions: int) -> Backlog:
        """Count what the group was not given yet, and what it has not acknowledged."""
        existing = await self._existing(stream, partitions)
        keys = [key_of(stream, partition) for partition in range(existing)]
        waiting = [await _measured(_waiting(self._redis, key, group)) for key in keys]
        oldest = [at for _, at in waiting if at is not None]
        return Backlog(
            entries=sum(count for count, _ in waiting),
            oldest=datetime.fromtimestamp(min(oldest) / 1000, UTC) if oldest else None,
        )

    async def tidy(self, stream: str, *, partitions: int) -> None:
        """Trim each partition to the oldest entry that some group still needs."""
        for partition in range(await self._existing(stream, partitions)):
            await _measured(trim_acknowledged(self._redis, key_of(stream, partition)))

    async def weaknesses(self) -> Sequence[str]:
        """Compare Redis' settings with what a promise to keep events needs."""
        try:
            settings: dict[Any, Any] = {}
            # One by one, for Redis 6 takes no more than one name at a time.
            for name in ("appendonly", "appendfsync", "maxmemory-policy"):
                settings |= await _away(self._redis.config_get(name))
        except ResponseError:
            return ["Redis does not tell its settings (CONFIG is not allowed)"]
        found: list[str] = []
        if settings["appendonly"] != "yes":
            found.append("Redis keeps no append-only file: a restart loses every event")
        elif settings["appendfsync"] != "always":
            found.append(
                f"Redis syncs its file {settings['appendfsync']}, not always: "
                "a crash of its machine loses the last events it acknowledged"
            )
        if settings["maxmemory-policy"] != "noeviction":
            found.append(
                f"Redis evicts ({settings['maxmemory-policy']}): "
                "at its memory limit it forgets streams"
            )
        return found

    async def fill(self) -> float:
        """Return used memory by the limit that Redis was given, or else by ours."""
        memory: dict[str, Any] = await _away(self._redis.info("memory"))
        limit = int(memory["maxmemory"]) or self._memory_bytes
        return 0.0 if limit == _MEMORY_UNLIMITED else memory["used_memory"] / limit

    async def close(self) -> None:
        """Send what waits, and stop."""
        await self._appender.close()
        await self._appending.aclose()
        await self._reading.aclose()


def _like(redis: Redis, **changes: Any) -> Redis:
    """Return a client of the same Redis, with some settings changed."""
    pool = redis.connection_pool
    settings: dict[str, Any] = {**pool.connection_kwargs, **changes}
    return Redis.from_pool(
        ConnectionPool(connection_class=pool.connection_class, **settings)
    )


async def ensure_group(redis: Redis, key: str, group: str) -> None:
    """Create the group at the stream's beginning, unless it exists."""
    try:
        await _away(redis.xgroup_create(key, group, id="0", mkstream=True))
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


async def trim_acknowledged(redis: Redis, key: str) -> None:
    """Drop entries that every group has acknowledged; never by length.

    What a group has not been given, or has not acknowledged, is kept.
    """
    if not await redis.exists(key):
        return
    groups: list[dict[str, Any]] = await redis.xinfo_groups(key)
    lowest: list[tuple[int, int]] = []
    for group in groups:
        pending: dict[str, Any] = await redis.xpending(key, group["name"])
        if pending["pending"]:
            lowest.append(_parse(pending["min"]))
        else:
            milliseconds, sequence = _parse(group["last-delivered-id"])
            lowest.append((milliseconds, sequence + 1))
    if lowest:
        milliseconds, sequence = min(lowest)
        minid = f"{milliseconds}-{sequence}"
        await redis.xtrim(key, minid=minid, approximate=False)


async def _waiting(redis: Redis, key: str, group: str) -> tuple[int, int | None]:
    """Return how many entries wait for a group, and when the oldest came, in ms."""
    if not await redis.exists(key):
        return 0, None
    groups: list[dict[str, Any]] = await redis.xinfo_groups(key)
    mine = next((each for each in groups if _text(each["name"]) == group), None)
    if mine is None:
        first: Any = await redis.xrange(key, count=1)
        return await redis.xlen(key), _parse(first[0][0])[0] if first else None
    pending: dict[str, Any] = await redis.xpending(key, group)
    after = f"({_text(mine['last-delivered-id'])}"
    new: Any = await redis.xrange(key, min=after, count=1)
    came = [_parse(entry[0])[0] for entry in new]
    if pending["pending"]:
        came.append(_parse(pending["min"])[0])
    undelivered = await _undelivered(redis, key, mine, after) if new else 0
    return pending["pending"] + undelivered, min(came) if came else None


async def _undelivered(
    redis: Redis, key: str, group: dict[str, Any], after: str
) -> int:
    """Count entries that the group was not given.

    Redis 7 knows. Redis 6 has to look at each; beyond a few it counts all that the
    stream holds, also what another group still needs.
    """
    lag = group.get("lag")
    if lag is not None:
        return int(lag)
    script = "return #redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])"
    counted: Any = await redis.eval(script, 1, key, after, str(_COUNTED_EXACTLY))
    if counted < _COUNTED_EXACTLY:
        return int(counted)
    return int(await redis.xlen(key)) - int(group["pending"])


_PASSING: Final = (
    ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError,
    RedisConnectionError, RedisTimeoutError, OSError,
)  # fmt: skip
_PASSING_CODES: Final = ("BUSY ", "MISCONF ", "NOREPLICAS ")


async def _away(asked: Awaitable[T]) -> T:
    """Await an answer, and say so where none can be had."""
    try:
        return await asked
    except _PASSING as error:
        raise BusAwayError(str(error)) from error
    except ResponseError as error:
        if str(error).startswith(_PASSING_CODES):
            raise BusAwayError(str(error)) from error
        raise


async def _measured(asked: Awaitable[T]) -> T:
    """Await what takes several questions, between which Redis may be wiped."""
    try:
        return await _away(asked)
    except ResponseError as error:
        raise BusAwayError(str(error)) from error


def _entries_of(answer: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Read the entries of the one stream asked for, from RESP2's or RESP3's answer."""
    if not answer:
        return []
    streams: list[Any] = list(answer.values() if hasattr(answer, "values") else answer)
    entries: Any = streams[0]
    if not hasattr(answer, "values"):
        entries = entries[1]
    elif entries and isinstance(entries[0], list):
        entries = entries[0]
    return [(entry[0], entry[1]) for entry in entries]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _parse(entry_id: str | bytes) -> tuple[int, int]:
    milliseconds, _, sequence = _text(entry_id).partition("-")
    return int(milliseconds), int(sequence or 0)
