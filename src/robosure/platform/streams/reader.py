"""A reader: one group reading one stream, from the bus through the engine."""

from __future__ import annotations

import asyncio
from typing import Any

from robosure.kernel.time import Clock
from robosure.platform.database.session import Database
from robosure.platform.streams.bus import EventBus, show_backlog
from robosure.platform.streams.effects import Effects
from robosure.platform.streams.engine import Engine


class Reader:
    """Lets what a stream holds take effect for a group."""

    def __init__(
        self,
        bus: EventBus,
        database: Database,
        effects: Effects[Any],
        *,
        attempts: int,
        partitions: int = 1,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; see :class:`Engine` for what the arguments mean."""
        self.effects = effects
        self._bus = bus
        self._partitions = partitions
        self._engine = Engine(database, effects, attempts=attempts, clock=clock)

    async def declare(self) -> None:
        """Let the group have everything that is appended from now on, and before."""
        await self._bus.declare(
            self.effects.stream, self.effects.group, partitions=self._partitions
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work on this process's share of the stream until stopped."""
        await self._bus.serve(
            self.effects.stream,
            self.effects.group,
            partitions=self._partitions,
            work=self._engine.work,
            stop=stop,
        )

    async def drain(self) -> int:
        """Handle all there is, with no other process reading; return how many entries.

        What fails for a server that is away comes out as it is.
        """
        handled = 0
        async with self._bus.lanes(
            self.effects.stream, self.effects.group, partitions=self._partitions
        ) as lanes:
            for lane in lanes:
                handled += await self._engine.drain(lane)
        return handled

    async def keep_up(self) -> None:
        """Drop what no group needs any more, and measure what waits."""
        stream, group = self.effects.stream, self.effects.group
        await self._bus.tidy(stream, partitions=self._partitions)
        waiting = await self._bus.backlog(stream, group, partitions=self._partitions)
        show_backlog(stream, group, waiting)
