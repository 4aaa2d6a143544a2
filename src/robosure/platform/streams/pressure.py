"""Backpressure: events are refused before they are accepted, rather than lost after.

How much waits and how full the bus is are measured once a second, beside the requests,
so that asking costs nothing. Once a minute it is asked how the bus could lose events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from robosure.kernel.errors import Unavailable
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import STREAM_DURABLE, STREAM_FILL
from robosure.platform.settings import Settings
from robosure.platform.streams.bus import BusAwayError, EventBus, show_backlog

_EVERY_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 60.0


@dataclass(frozen=True)
class _Excess:
    """What is over its limit."""

    of: str
    limit: float
    measured: float


class Pressure(LoggerMixin):
    """Knows whether the bus can take more of a stream, as of a second ago."""

    def __init__(
        self,
        bus: EventBus,
        stream: str,
        group: str,
        *,
        settings: Settings,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """Prepare; nothing is refused before something was measured.

        Args:
            bus: what is measured.
            stream: which events are to be taken in.
            group: whose backlog counts.
            settings: the limits.
            look_seconds: between two looks at how durable the bus is.
        """
        self._bus = bus
        self._stream = stream
        self._group = group
        self._settings = settings
        self._look_seconds = look_seconds
        self._excess: _Excess | None = None
        self._weaknesses: Sequence[str] = ()

    def check(self) -> None:
        """Let pass while the bus can take more.

        Raises:
            Unavailable: a limit is reached (``overloaded``); come again later.
        """
        if self._excess is not None:
            raise Unavailable(
                "overloaded",
                of=self._excess.of,
                limit=self._excess.limit,
                measured=self._excess.measured,
            )

    async def measure(self) -> None:
        """Measure now.

        Raises:
            BusAwayError: the bus does not answer; what was known stays.
        """
        backlog = await self._bus.backlog(
            self._stream, self._group, partitions=self._settings.event_partitions
        )
        show_backlog(self._stream, self._group, backlog)
        fill = await self._bus.fill()
        STREAM_FILL.set(fill)
        limits = (
            _Excess("backlog", self._settings.event_backlog_limit, backlog.entries),
            _Excess("memory", self._settings.event_memory_limit, round(fill, 3)),
        )
        before = self._excess
        self._excess = next((e for e in limits if e.measured >= e.limit), None)
        if self._excess is not None and before is None:
            self.logger.warning(
                "platform.pressure.overload_started",
                of=self._excess.of,
                limit=self._excess.limit,
                measured=self._excess.measured,
            )
        elif before is not None and self._excess is None:
            self.logger.info("platform.pressure.overload_completed", of=before.of)

    async def look(self) -> None:
        """Say in the log and in the metrics how accepted events could be lost.

        The log is told only what it was not told before.

        Raises:
            BusAwayError: the bus does not answer; what was known stays.
        """
        found = await self._bus.weaknesses()
        STREAM_DURABLE.set(not found)
        before, self._weaknesses = self._weaknesses, found
        for weakness in found:
            if weakness not in before:
                self.logger.warning(
                    "platform.pressure.events_not_durable", reason=weakness
                )
        if before and not found:
            self.logger.info("platform.pressure.events_durable")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Measure and look again and again while within."""
        stop = asyncio.Event()
        watch = asyncio.create_task(self._watch(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait({watch}, timeout=_EVERY_SECONDS)
            watch.cancel()  # where the bus does not answer

    async def _watch(self, stop: asyncio.Event) -> None:
        now = asyncio.get_running_loop().time
        next_look = now()
        stopped = False
        while not stopped:
            with suppress(BusAwayError):  # appending says so, to whoever appends
                await self.measure()
                if now() >= next_look:
                    await self.look()
                    next_look = now() + self._look_seconds
            with suppress(TimeoutError):
                stopped = await asyncio.wait_for(stop.wait(), _EVERY_SECONDS)
