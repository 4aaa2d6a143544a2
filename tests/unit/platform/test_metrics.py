"""Metrics: what is told to a counter that several processes share."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Counter

from robosure.platform.metrics import Tally


async def test_what_is_tallied_in_a_turn_is_counted_once_and_whole() -> None:
    registry, told = CollectorRegistry(), list[float]()

    class Counted(Counter):
        def inc(
            self, amount: float = 1, exemplar: dict[str, str] | None = None
        ) -> None:
            told.append(amount)
            super().inc(amount, exemplar)

    tally = Tally(Counted("things", "Things.", registry=registry))
    for turn in ([1, 100, 3], [5], []):
        for count in turn:
            tally.add(count)
        await asyncio.sleep(0)
    assert told == [104, 5]
    assert registry.get_sample_value("things_total") == 109
