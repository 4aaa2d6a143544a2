"""Leases: each lane has one owner at a time, and the living share them fairly.

A lease is a key in Redis with a time to live, renewed by its holder well before it
ends. Who is killed loses it by silence, and another takes over within seconds, whether
or not anything is appended meanwhile. Who is stopped gives it back at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4
from zlib import crc32

from redis.asyncio import Redis
from redis.exceptions import RedisError

from robosure.platform.logging import LoggerMixin

LEASE_SECONDS: Final = 5.0
_RENEW_SECONDS: Final = 1.0
_SURE: Final = 0.9
"""The part of a lease after which its holder asks the work to return, unrenewed."""

Own = Callable[[int, asyncio.Event], Coroutine[Any, Any, None]]
"""Works on a partition until the event is set, and then returns soon."""

_LIVE: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""
_TAKE: Final = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
"""Also true for who has it already: the answer to an earlier asking may be lost."""
_RENEW: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
"""
_GIVE_BACK: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class _Held:
    """A lease that is held, and the work under it."""

    def __init__(
        self, work: Coroutine[Any, Any, None], released: asyncio.Event
    ) -> None:
        self.task = asyncio.create_task(work)
        self.released = released
        self._end: asyncio.TimerHandle | None = None

    def sure_until(self, at: float) -> None:
        """Release at that time of the loop, unless the lease is renewed before."""
        if self._end is not None:
            self._end.cancel()
        self._end = self.task.get_loop().call_at(at, self.released.set)

    def end(self) -> None:
        """The work has returned."""
        if self._end is not None:
            self._end.cancel()


@dataclass
class _Share:
    """One process's part of some lanes."""

    name: str
    partitions: int
    own: Own
    held: dict[int, _Held] = field(default_factory=dict[int, _Held])
    failures: list[BaseException] = field(default_factory=list[BaseException])


class Leases(LoggerMixin):
    """This process's leases."""

    def __init__(self, redis: Redis, *, seconds: float = LEASE_SECONDS) -> None:
        self._redis = redis
        self._seconds = seconds
        # Two turns that fail, one after the other, end before the lease does.
        self._pause = min(_RENEW_SECONDS, seconds / 6)
        self._patience = seconds / 3
        self._token = uuid4().hex

    async def share(
        self, name: str, partitions: int, own: Own, *, stop: asyncio.Event
    ) -> None:
        """Hold a fair share of the partitions, and work on each, until stopped.

        With n processes alive, each holds the n-th part, rounded up for some; who holds
        more gives back, once the work on it has returned.

        Raises:
            Exception: what the work on a partition died of.
        """
        share = _Share(name, partitions, own)
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set() and not share.failures:
                await self._turn(share)
                await self._wait(share, stopping)
        finally:
            stopping.cancel()
            await asyncio.shield(self._leave(share))
        if share.failures:
            raise share.failures[0]

    async def _turn(self, share: _Share, *, leaving: bool = False) -> None:
        """Renew, give back what is finished, and balance; also when Redis is away."""
        finished = _collect(share)
        try:
            async with asyncio.timeout(self._patience):
                await self._renew(share)
                for partition in finished:
                    await self._ask(_GIVE_BACK, share, partition)
                if not leaving:
                    await self._balance(share)
        except (RedisError, OSError) as error:
            self.logger.warning(
                "platform.leases.renew_postponed",
                lanes=share.name,
                reason=str(error)[:300],
            )

    async def _renew(self, share: _Share) -> None:
        for partition, held in share.held.items():
            asked = self._now()
            if await self._ask(_RENEW, share, partition):
                held.sure_until(asked + self._seconds * _SURE)
            else:
                held.released.set()

    async def _balance(self, share: _Share) -> None:
        allowed = await self._allowed(share)
        keeping = sorted(p for p, h in share.held.items() if not h.released.is_set())
        for partition in keeping[allowed:]:
            share.held[partition].released.set()
        taking = allowed - len(keeping)
        for partition in range(share.partitions):
            if taking <= 0:
                break
            if partition not in share.held and await self._take(share, partition):
                taking -= 1

    async def _allowed(self, share: _Share) -> int:
        """Say that this process lives, and return its share among those that do.

        Who gets one more is another process for each name, so that many streams of one
        partition are spread, too.
        """
        members: list[bytes] = await self._redis.eval(
            _LIVE, 1, _members(share), self._token, str(self._seconds)
        )
        each, over = divmod(share.partitions, len(members))
        ranked = sorted(members, key=lambda token: crc32(share.name.encode() + token))
        return each + (ranked.index(self._token.encode()) < over)

    async def _take(self, share: _Share, partition: int) -> bool:
        asked = self._now()
        taken = await self._ask(_TAKE, share, partition)
        if taken:
            released = asyncio.Event()
            held = _Held(share.own(partition, released), released)
            held.sure_until(asked + self._seconds * _SURE)
            share.held[partition] = held
        return taken

    async def _ask(self, script: str, share: _Share, partition: int) -> bool:
        key = f"robosure:lease:{share.name}:{partition}"
        milliseconds = str(round(self._seconds * 1000))
        answer: Any = await self._redis.eval(script, 1, key, self._token, milliseconds)
        return bool(answer)

    async def _wait(self, share: _Share, *others: asyncio.Future[Any]) -> None:
        """Wait for the next turn, or until some work has returned."""
        awaited = [*others, *(held.task for held in share.held.values())]
        if awaited:
            await asyncio.wait(
                awaited, timeout=self._pause, return_when=asyncio.FIRST_COMPLETED
            )

    async def _leave(self, share: _Share) -> None:
        """Let all work return, renewing as long as that takes."""
        for held in share.held.values():
            held.released.set()
        while share.held:
            await self._wait(share)
            await self._turn(share, leaving=True)
        with suppress(RedisError, OSError):
            async with asyncio.timeout(self._patience):
                await self._redis.zrem(_members(share), self._token)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _members(share: _Share) -> str:
    return f"robosure:members:{share.name}"


def _collect(share: _Share) -> list[int]:
    """Take out what has returned, and remember what it died of."""
    finished = [p for p, held in share.held.items() if held.task.done()]
    for partition in finished:
        held = share.held.pop(partition)
        held.end()
        task = held.task
        if not task.cancelled() and (error := task.exception()):
            share.failures.append(error)
    return finished
