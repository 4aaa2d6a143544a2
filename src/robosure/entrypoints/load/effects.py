"""When what was accepted has taken effect, as a client sees it and as workers say it.

**As a client sees it**: one robot of the fleet is watched. Its events take effect in
the order in which they were accepted, so the k-th has done so when ``/event-counts``
says k; the time since its own ``202`` is its latency. It is never too short, and too
long by at most the pause between two looks and the look itself.

**As workers say it**: what ``event_latency_seconds`` has grown by, of every consumer.
It is exact about all events, within the histogram's buckets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import httpx

from robosure.entrypoints.load.fleet import Fleet
from robosure.entrypoints.load.latencies import PERCENTILES, Latencies
from robosure.entrypoints.monitor.exposition import Distribution, Exposition

LOOK_EVERY_SECONDS: Final = 0.05
_METRIC: Final = "event_latency_seconds"


class Watch:
    """Watches one robot's events from acceptance to effect."""

    def __init__(self, fleet: Fleet, robot: UUID) -> None:
        self._fleet = fleet
        self._robot = robot
        self._accepted: list[float] = []
        self._seen = 0
        self.latencies = Latencies()

    def accepted(self, events: int) -> None:
        """Note that so many more of its events have been accepted just now."""
        if events:
            self._accepted.extend([time.perf_counter()] * events)

    async def look(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look_once()
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def look_once(self) -> None:
        """Find out which events have taken effect since the last look."""
        done = (await self._fleet.count(self._robot)).total
        now = time.perf_counter()
        # An effect may be seen before the answer that accepted it has been read.
        for moment in self._accepted[self._seen : done]:
            self.latencies.record(now - moment)
        self._seen = max(self._seen, min(done, len(self._accepted)))


async def latencies_told(url: str) -> dict[str, Distribution]:
    """Return how long events took so far, by consumer, as the workers say it."""
    async with httpx.AsyncClient(timeout=30.0) as http:
        try:
            answer = await http.get(f"{url.rstrip('/')}/metrics")
        except httpx.TransportError:
            return {}
    if not answer.is_success:
        return {}
    exposition = Exposition.parse(answer.text)
    consumers = exposition.names(f"{_METRIC}_bucket", "consumer")
    told = {each: exposition.distribution(_METRIC, consumer=each) for each in consumers}
    return {each: found for each, found in told.items() if found is not None}


def told_between(
    before: Mapping[str, Distribution], after: Mapping[str, Distribution]
) -> dict[str, dict[str, Any]]:
    """Return count and percentiles, in milliseconds, of what came between."""
    found: dict[str, dict[str, Any]] = {}
    for consumer, distribution in after.items():
        grown = distribution.since(before.get(consumer))
        if grown.count:
            found[consumer] = {
                "count": round(grown.count),
                **{
                    f"p{percent:g}_ms": _ms(grown.quantile(percent / 100))
                    for percent in PERCENTILES
                },
            }
    return found


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
