"""Limits on how often somebody does something, counted by all processes together.

Each limit is a token bucket in Redis: it holds the quota, and fills up again within
the limit's seconds. A process does not ask Redis each time. It takes a share, a
hundredth of the quota, and spends it by itself; so a small quota is counted one by one,
while a large one costs Redis next to nothing. No more is ever handed out than the
quota; what a process took and did not spend is lost to the others, a hundredth at most.

While Redis does not answer, each process counts by itself, against the whole quota.
Nobody is refused because of the outage, and nothing fails.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from robosure.kernel.errors import LimitReached
from robosure.platform.patience import Patience

Who = UUID | str

_PREFIX: Final = "robosure:limit:"
_SHARES: Final = 100
_MOST: Final = 50_000

# Redis' own clock counts, so that the processes' need not agree. A full bucket is no
# bucket: its key is gone.
_TAKE: Final = """
local quota, seconds, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = quota
if kept[1] then
  local passed = math.max(0, now - kept[2])
  tokens = math.min(quota, kept[1] + passed * quota / seconds)
end
local taken = math.min(wanted, math.floor(tokens))
tokens = tokens - taken
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens),
           'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((quota - tokens) * seconds / quota * 1000) + 1)
return {taken, math.floor(tokens)}
"""


@dataclass(frozen=True)
class Limit:
    """How often, under a name that callers see.

    Attributes:
        quota: at once, and within ``seconds``.
    """

    name: str
    quota: int
    seconds: int = 60

    @cached_property
    def share(self) -> int:
        """How much a process takes at a time."""
        return max(1, self.quota // _SHARES)

    @cached_property
    def pause(self) -> float:
        """After how many seconds there is a share again."""
        return self.share * self.seconds / self.quota

    @cached_property
    def policy(self) -> bytes:
        """The limit as ``RateLimit-Policy`` says it."""
        return f'"{self.name}";q={self.quota};w={self.seconds}'.encode()


@dataclass(slots=True)
class Share:
    """What this process may still spend for somebody, and what it last heard.

    Attributes:
        rest: what was left for everybody when this share was taken.
        refused_until: when it is worth asking again, on the process' own clock.
        alone: tokens and their moment while Redis is away; None while it answers.
    """

    limit: Limit
    left: int = 0
    rest: int = 0
    refused_until: float = 0.0
    alone: tuple[float, float] | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def standing(self) -> bytes:
        """Where somebody stands, as ``RateLimit`` says it."""
        limit, remaining = self.limit, self.left + self.rest
        until_full = math.ceil((limit.quota - remaining) * limit.seconds / limit.quota)
        return f'"{limit.name}";r={remaining};t={until_full}'.encode()

    def spend(self) -> None:
        """Count one; there is one left."""
        self.left -= 1


class Limiter:
    """Counts for one process."""

    def __init__(
        self,
        redis: Redis,
        *,
        most: int = _MOST,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count on that Redis.

        Args:
            redis: where all processes count.
            most: how many shares are held; the one taken longest ago makes room.
            now: this process' clock, in seconds.
        """
        self._take = redis.register_script(_TAKE)
        self._most = most
        self._now = now
        self._shares: OrderedDict[tuple[str, Who], Share] = OrderedDict()
        self._patience = Patience("platform.limits.count_failed", now=now)

    async def spend(self, limit: Limit, who: Who) -> Share:
        """Count one for somebody, and return where they stand.

        Raises:
            LimitReached: they have had all, for now.
        """
        return self.spend_at_hand(limit, who) or await self._spend_renewed(limit, who)

    def spend_at_hand(self, limit: Limit, who: Who) -> Share | None:
        """Count one as :meth:`spend` does, if no one has to be asked for it."""
        share = self.at_hand(limit, who)
        if share is not None:
            share.spend()
        return share

    def at_hand(self, limit: Limit, who: Who) -> Share | None:
        """Return what :meth:`spend_at_hand` would count on."""
        share = self._shares.get((limit.name, who))
        if share is None or share.left < 1 or share.limit is not limit:
            return None
        return share

    async def _spend_renewed(self, limit: Limit, who: Who) -> Share:
        share = self._shares.get((limit.name, who))
        if share is None or share.limit is not limit:
            share = self._begin(limit, who)
        async with share.turn:
            if share.left < 1:
                await self._renew(share, who)
            if share.left < 1:
                raise self._refusal(share)
            share.spend()
        return share

    def standing(self, limit: Limit, who: Who) -> Share | None:
        """Return where somebody stands, if this process knows."""
        return self._shares.get((limit.name, who))

    def _begin(self, limit: Limit, who: Who) -> Share:
        share = self._shares[limit.name, who] = Share(limit)
        if len(self._shares) > self._most:
            self._shares.popitem(last=False)
        return share

    async def _renew(self, share: Share, who: Who) -> None:
        now = self._now()
        if now < share.refused_until:
            return
        limit = share.limit
        if (limit.name, who) in self._shares:
            self._shares.move_to_end((limit.name, who))
        if await self._from_redis(share, who):
            share.alone = None
        else:
            self._by_itself(share, now)
        if share.left < 1:
            share.refused_until = now + limit.pause

    async def _from_redis(self, share: Share, who: Who) -> bool:
        limit = share.limit
        answer = await self._patience.ask(
            self._take,
            keys=[f"{_PREFIX}{limit.name}:{who}"],
            args=[limit.quota, limit.seconds, limit.share],
        )
        if answer is None:
            return False
        share.left, share.rest = answer[0]
        return True

    def _by_itself(self, share: Share, now: float) -> None:
        limit = share.limit
        tokens, at = share.alone or (float(limit.quota), now)
        tokens = min(limit.quota, tokens + (now - at) * limit.quota / limit.seconds)
        share.left = min(limit.share, math.floor(tokens))
        share.alone = tokens - share.left, now
        share.rest = math.floor(tokens) - share.left

    def _refusal(self, share: Share) -> LimitReached:
        limit = share.limit
        return LimitReached(
            "too_many_requests",
            limit=limit.name,
            quota=limit.quota,
            window_seconds=limit.seconds,
            retry_after_seconds=math.ceil(
                max(share.refused_until - self._now(), 0.001)
            ),
        )
