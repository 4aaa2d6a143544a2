"""Slows down who guesses a secret, by all processes together, and locks nobody out.

What is guessed has a name, the account; who guesses comes from a source, an address.
Failures are counted for the pair of them and for the account alone. From so many on,
each further one makes the next attempt wait, twice as long each time up to a limit: the
pair's, and when the account has very many, everybody's. While it is made to wait, an
attempt is neither judged nor counted. What is not added to is forgotten.

An attempt counts as failed when it begins, and no longer when it turns out to be right;
else many that begin at once would all be judged before the first is counted.

Redis keeps the counts, under digests of the names. A delay is a key that expires, so
the only clock is Redis' own. While it does not answer, each process counts by itself.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from robosure.kernel.errors import LimitReached
from robosure.platform.patience import Patience

FREE_OF_PAIR: Final = 5
"""How many failures from one source for one account cost nothing."""
FREE_OF_ACCOUNT: Final = 50
"""How many for one account from anywhere."""
LONGEST_SECONDS: Final = 60
FORGOTTEN_SECONDS: Final = 3_600

_PREFIX: Final = "robosure:throttle:"
_MOST: Final = 50_000

# Keys: count and delay of the pair, count and delay of the account.
_BEGIN: Final = """
local wait = math.max(redis.call('PTTL', KEYS[2]), redis.call('PTTL', KEYS[4]))
if wait > 0 then
  return {wait, 0}
end
local longest, forgotten = tonumber(ARGV[1]), tonumber(ARGV[2])
local count
for i = 1, 2 do
  count = redis.call('INCR', KEYS[2 * i - 1])
  redis.call('EXPIRE', KEYS[2 * i - 1], forgotten)
  local over = count - tonumber(ARGV[2 + i])
  if over > 0 then
    local delay = math.min(2 ^ math.min(over - 1, 30), longest)
    redis.call('SET', KEYS[2 * i], '', 'EX', delay)
  end
end
return {0, count}
"""
# The account's delay is taken back only if it is this attempt's own.
_RIGHT: Final = """
redis.call('DEL', KEYS[1], KEYS[2])
local count = tonumber(redis.call('GET', KEYS[3]) or 0)
if count > 0 then
  redis.call('DECR', KEYS[3])
end
if count == tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[4])
end
"""


@dataclass(frozen=True)
class Attempt:
    """One that may be judged.

    Attributes:
        keys: under which it is counted: the pair's, the account's.
        number: which of the account's failures it is, unless it is right.
        alone: whether this process alone has counted it.
    """

    keys: tuple[str, str]
    number: int
    alone: bool


@dataclass(slots=True)
class _Count:
    failures: int = 0
    delayed_until: float = -math.inf
    forgotten_at: float = math.inf


class Throttle:
    """Counts for one process, on the Redis of all."""

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
            most: how many names are held while it is away; the oldest makes room.
            now: this process' clock, in seconds, for when it is away.
        """
        self._begin = redis.register_script(_BEGIN)
        self._right = redis.register_script(_RIGHT)
        self._most = most
        self._now = now
        self._counts: OrderedDict[str, _Count] = OrderedDict()
        self._patience = Patience("platform.security.throttle_failed", now=now)

    async def begin(self, account: str, *, source: str) -> Attempt:
        """Count an attempt as failed, until it is told to be right.

        Args:
            account: as it is compared; it need not exist.
            source: where the attempt comes from.

        Raises:
            LimitReached: it has to wait, whatever it would turn out to be. It is not
                counted.
        """
        keys = _digest(account, source), _digest(account)
        answer = await self._patience.ask(
            self._begin,
            keys=_in_redis(keys),
            args=[LONGEST_SECONDS, FORGOTTEN_SECONDS, FREE_OF_PAIR, FREE_OF_ACCOUNT],
        )
        if answer is None:
            return self._begin_alone(keys)
        wait, number = answer[0]
        _wait(wait / 1_000)
        return Attempt(keys, number, alone=False)

    async def right(self, attempt: Attempt) -> None:
        """Forget the pair's failures, and that this attempt was one of the account's.

        Where Redis went away meanwhile they stay, and expire.
        """
        if attempt.alone:
            self._right_alone(attempt)
        else:
            await self._patience.ask(
                self._right, keys=_in_redis(attempt.keys), args=[attempt.number]
            )

    def _begin_alone(self, keys: tuple[str, str]) -> Attempt:
        now = self._now()
        pair, account = (self._count(key, now) for key in keys)
        _wait(max(pair.delayed_until, account.delayed_until) - now)
        for count, free in ((pair, FREE_OF_PAIR), (account, FREE_OF_ACCOUNT)):
            count.failures += 1
            count.forgotten_at = now + FORGOTTEN_SECONDS
            over = count.failures - free
            if over > 0:
                delay = min(2 ** min(over - 1, 30), LONGEST_SECONDS)
                count.delayed_until = now + delay
        return Attempt(keys, account.failures, alone=True)

    def _right_alone(self, attempt: Attempt) -> None:
        pair, account = attempt.keys
        self._counts.pop(pair, None)
        count = self._counts.get(account)
        if count is not None:
            if count.failures == attempt.number:
                count.delayed_until = -math.inf
            count.failures -= 1

    def _count(self, key: str, now: float) -> _Count:
        count = self._counts.get(key)
        if count is None or now >= count.forgotten_at:
            count = self._counts[key] = _Count()
        self._counts.move_to_end(key)
        while len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return count


def _wait(seconds: float) -> None:
    if seconds > 0:
        raise LimitReached("sign_in_delayed", retry_after_seconds=math.ceil(seconds))


def _digest(*names: str) -> str:
    joined = "\n".join(f"{len(name)}:{name}" for name in names)
    return hashlib.sha256(joined.encode(errors="surrogatepass")).hexdigest()


def _in_redis(keys: tuple[str, str]) -> list[str]:
    return [f"{_PREFIX}{key}:{what}" for key in keys for what in ("failures", "delay")]
