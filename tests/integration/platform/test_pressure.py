"""Backpressure: what is over a limit is refused until it is not any more."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from robosure.kernel.errors import Unavailable
from robosure.platform.runtime import Runtime
from robosure.platform.settings import Settings
from robosure.platform.streams.bus import INGEST, BusAwayError, Record
from robosure.platform.streams.pressure import Pressure
from robosure.platform.streams.redis_bus import RedisBus

GROUP = "testing"


def a_pressure(runtime: Runtime, **limits: Any) -> Pressure:
    settings = runtime.settings.model_copy(update=limits)
    return Pressure(runtime.bus, INGEST, GROUP, settings=settings)


async def append(runtime: Runtime, count: int) -> None:
    for number in range(count):
        await runtime.bus.append(Record(INGEST, b"{}", number % 4))


async def test_a_backlog_at_its_limit_is_refused_until_it_is_worked_off(
    runtime: Runtime,
) -> None:
    # given two of at most three entries
    pressure = a_pressure(runtime, event_backlog_limit=3)
    pressure.check()
    await runtime.bus.declare(INGEST, GROUP, partitions=4)
    await append(runtime, 2)
    await pressure.measure()
    pressure.check()
    # when a third waits
    await append(runtime, 1)
    await pressure.measure()
    # then more is refused, with the limit and the measure
    with pytest.raises(Unavailable) as refused:
        pressure.check()
    assert refused.value.code == "overloaded"
    assert refused.value.details == {"of": "backlog", "limit": 3, "measured": 3}
    # until one is handled
    async with runtime.bus.lanes(INGEST, GROUP, partitions=4) as lanes:
        await lanes[0].acknowledge(await lanes[0].read(10))
    await pressure.measure()
    pressure.check()


async def test_a_full_memory_is_refused(runtime: Runtime, redis: Redis) -> None:
    # given a Redis without a limit of its own, which uses more than ours
    settings = runtime.settings.model_copy(update={"event_memory_limit": 0.9})
    used = (await redis.info("memory"))["used_memory"]
    bus = RedisBus(redis, memory_bytes=used)
    pressure = Pressure(bus, INGEST, GROUP, settings=settings)
    # when it is measured
    await pressure.measure()
    await bus.close()
    # then
    with pytest.raises(Unavailable) as refused:
        pressure.check()
    assert refused.value.details["of"] == "memory"
    assert refused.value.details["limit"] == 0.9


async def test_what_was_measured_stays_while_the_bus_is_away(runtime: Runtime) -> None:
    class Away(RedisBus):
        async def fill(self) -> float:
            raise BusAwayError("no answer")

    bus = Away(runtime.redis)
    settings: Settings = runtime.settings.model_copy(update={"event_backlog_limit": 1})
    pressure = Pressure(bus, INGEST, GROUP, settings=settings)
    async with pressure.watched():
        pressure.check()
    with pytest.raises(BusAwayError):
        await pressure.measure()
    pressure.check()
    await bus.close()


async def test_a_watched_bus_is_measured_at_once(runtime: Runtime) -> None:
    await runtime.bus.declare(INGEST, GROUP, partitions=4)
    await append(runtime, 1)
    pressure = a_pressure(runtime, event_backlog_limit=1)
    async with pressure.watched():
        pass  # one measurement is finished before it ends
    with pytest.raises(Unavailable):
        pressure.check()
