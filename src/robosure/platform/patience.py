"""Asking Redis for what must go on without it: briefly, and not again for a while."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from robosure.platform.logging import LoggerMixin

_PATIENCE_SECONDS: Final = 0.25
_ALONE_SECONDS: Final = 1.0


class Patience(LoggerMixin):
    """What one who asks knows about whether it is worth asking."""

    def __init__(self, failure: str, *, now: Callable[[], float]) -> None:
        """Take it for worthwhile.

        Args:
            failure: the event that is logged when there is no answer.
            now: this process' clock, in seconds.
        """
        self._failure = failure
        self._now = now
        self._alone_until = -math.inf

    async def ask(
        self, script: AsyncScript, *, keys: Sequence[str], args: Sequence[int]
    ) -> tuple[Any] | None:
        """Run a script, and return what it answers as a tuple's only element.

        None is no answer: none came within a quarter of a second, now or within the
        last second.
        """
        if self._now() < self._alone_until:
            return None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return (await script(keys=keys, args=args),)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            reason = str(error) or "no answer in time"
            self.logger.warning(self._failure, reason=reason)
            self._alone_until = self._now() + _ALONE_SECONDS
            return None
