"""Appending to Redis: everything that waits goes out in one write.

While one write is on its way, what comes in meanwhile gathers for the next. So the more
there is to append, the more each round trip, and each sync of Redis' file, carries.

Redis reads a connection by 16 KiB, and syncs its file after a turn through all of them.
So what is larger goes out on several connections at once, to be synced together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from robosure.platform.streams.bus import BusAwayError, Record

_HEAD: Final = b"*5\r\n$4\r\nXADD\r\n$%d\r\n%b\r\n$1\r\n*\r\n$1\r\nv\r\n$"
"""``XADD key * v``, and then the value's length, in Redis' protocol."""
_CONNECTIONS: Final = 16
_BYTES_AT_ONCE: Final = 32 * 1024
_PATIENCE_SECONDS: Final = 10.0
"""After so long without an answer Redis is away, however often it was asked."""


def key_of(stream: str, partition: int) -> str:
    """Return the Redis key of a stream's partition."""
    return f"robosure:{stream}:{partition}"


class _Waiting(NamedTuple):
    """What somebody wants appended."""

    records: Sequence[Record]
    size: int
    done: asyncio.Future[None]


class Appender:
    """One per process, for whoever appends.

    The commands are written out here: redis-py looks at each part of each command, and
    that costs more than all else that is done to append.
    """

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heads: dict[tuple[str, int], bytes] = {}
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._writing: set[asyncio.Task[None]] = set()
        self._idle: list[AbstractConnection] = []

    def append(self, records: Sequence[Record]) -> asyncio.Future[None]:
        """Append all of these, in order; they are safe when this is done.

        What others append at the same time has no order to it. It fails with
        `BusAwayError` if Redis does not answer, or refuses.
        """
        if self._loop is None:  # to ask for it costs a call of the kernel
            self._loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = self._loop.create_future()
        size = 0
        for record in records:
            size += len(record.value)
        self._waiting.append(_Waiting(records, size, done))
        self._waiting_bytes += size
        busy = len(self._writing)
        if not busy or (busy < _CONNECTIONS and self._waiting_bytes >= _BYTES_AT_ONCE):
            self._writing.add(asyncio.create_task(self._write()))
        return done

    async def close(self) -> None:
        """Wait until everything has been written, and give the connections back."""
        await asyncio.gather(*self._writing)
        while self._idle:
            await self._pool.release(self._idle.pop())

    async def _write(self) -> None:
        """Write what waits, until nothing does."""
        try:
            await self._write_all()
        finally:  # at once: who comes next must know that nobody writes
            self._writing.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _write_all(self) -> None:
        while taken := self._take():
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    answers = await self._send([r for each in taken for r in each[0]])
            except BaseException as error:
                # Who came meanwhile is not kept waiting as long again.
                while rest := self._take():
                    taken += rest
                for waiting in taken:
                    _fail(waiting.done, error)
                if not isinstance(error, (RedisError, OSError)):
                    raise
            else:
                _settle(taken, answers)

    def _take(self) -> list[_Waiting]:
        size = count = 0
        for waiting in self._waiting:
            size += waiting.size
            count += 1
            if size >= _BYTES_AT_ONCE:
                break
        taken = self._waiting[:count]
        del self._waiting[:count]
        self._waiting_bytes -= size
        return taken

    async def _send(self, records: Sequence[Record]) -> list[Any]:
        """Write, and return the answers, in order; what failed is written again.

        An entry may be there twice then, as after any lost answer; whoever handles it
        knows it by what it holds.
        """
        written = self._written(records)
        connection = await self._connection()

        async def exchange() -> list[Any]:
            await connection.send_packed_command(written)
            answers: list[Any] = []
            for _ in records:
                try:
                    answers.append(await connection.read_response())
                except ResponseError as error:
                    answers.append(error)
            return answers

        async def disconnect(_error: Exception) -> None:
            await connection.disconnect()

        try:
            return await connection.retry.call_with_retry(exchange, disconnect)
        finally:
            self._idle.append(connection)

    async def _connection(self) -> AbstractConnection:
        if self._idle:
            return self._idle.pop()
        made: AbstractConnection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # its decorator has no types
        return made

    def _written(self, records: Sequence[Record]) -> bytes:
        pieces: list[bytes] = []
        for stream, value, partition, _ in records:
            head = self._heads.get((stream, partition))
            if head is None:
                key = key_of(stream, partition).encode()
                head = _HEAD % (len(key), key)
                self._heads[stream, partition] = head
            pieces += (head, b"%d\r\n" % len(value), value, b"\r\n")
        return b"".join(pieces)


def _settle(taken: Sequence[_Waiting], answers: list[Any]) -> None:
    """Tell each who waits whether all of theirs was taken."""
    at = 0
    for waiting in taken:
        own = answers[at : at + len(waiting.records)]
        at += len(own)
        for answer in own:
            if isinstance(answer, Exception):
                _fail(waiting.done, answer)
                break
        else:
            if not waiting.done.done():
                waiting.done.set_result(None)


def _fail(done: asyncio.Future[None], error: BaseException) -> None:
    if not done.done():  # who waited may have gone
        away = BusAwayError(str(error))
        away.__cause__ = error
        done.set_exception(away)
