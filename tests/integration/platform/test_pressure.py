"""Backpressure: what is over a limit is refused until it is not any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from rich.console import Console
from structlog.testing import capture_logs

from robosure.entrypoints.stack.output import Output
from robosure.entrypoints.stack.ports import choose_port
from robosure.entrypoints.stack.processes import Register
from robosure.entrypoints.stack.redis import RedisServer
from robosure.entrypoints.stack.supervisor import Supervisor
from robosure.kernel.errors import Unavailable
from robosure.platform.metrics import summary
from robosure.platform.runtime import Runtime
from robosure.platform.settings import Settings
from robosure.platform.streams.appending import key_of
from robosure.platform.streams.bus import INGEST, BusAwayError, Record
from robosure.platform.streams.pressure import Pressure
from robosure.platform.streams.redis_bus import FIELD, RedisBus

GROUP = "testing"
NOT_ALWAYS = (
    "Redis syncs its file everysec, not always: "
    "a crash of its machine loses the last events it acknowledged"
)
EVICTS = "Redis evicts (allkeys-lru): at its memory limit it forgets streams"


@pytest.fixture
async def keeping(tmp_path: Path) -> AsyncIterator[Redis]:
    """A Redis of the test's own, which keeps what it acknowledges."""
    register = Register(tmp_path / "processes.json")
    server = RedisServer(
        directory=tmp_path / "redis", port=choose_port(), password="secret"
    )
    with closing(Output(logs=tmp_path, console=Console(quiet=True))) as output:
        async with Supervisor(register=register, output=output) as supervisor:
            await server.start(supervisor)
            async with Redis(port=server.port, password=server.password) as redis:
                yield redis


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


async def test_what_may_be_lost_is_said_once_and_again_when_it_changes(
    runtime: Runtime, keeping: Redis
) -> None:
    # given a Redis that keeps what it acknowledges
    bus = RedisBus(keeping)
    pressure = Pressure(bus, INGEST, GROUP, settings=runtime.settings)
    with capture_logs() as lines:
        await pressure.look()
        assert summary()["stream_durable"] == 1
        assert lines == []
        # when it no longer syncs each write
        await keeping.config_set("appendfsync", "everysec")
        await pressure.look()
        assert summary()["stream_durable"] == 0
        await pressure.look()
        # and then evicts as well
        await keeping.config_set("maxmemory-policy", "allkeys-lru")
        await pressure.look()
        assert summary()["stream_durable"] == 0
        # and then is set as it was
        await keeping.config_set("appendfsync", "always")
        await keeping.config_set("maxmemory-policy", "noeviction")
        await pressure.look()
        assert summary()["stream_durable"] == 1
        await pressure.look()
    await bus.close()
    # then each is told when it is found
    assert told(lines) == [
        ("warning", "platform.pressure.events_not_durable", NOT_ALWAYS),
        ("warning", "platform.pressure.events_not_durable", EVICTS),
        ("info", "platform.pressure.events_durable", None),
    ]


async def test_a_watched_bus_is_looked_at_again(
    runtime: Runtime, keeping: Redis
) -> None:
    # given a Redis that is watched, and keeps what it acknowledges
    bus = RedisBus(keeping)
    pressure = Pressure(bus, INGEST, GROUP, settings=runtime.settings, look_seconds=0)
    with capture_logs() as lines:
        async with pressure.watched():
            # when its settings are changed, and changed back
            await keeping.config_set("appendfsync", "everysec")
            await until(lambda: len(lines) == 1)
            await keeping.config_set("appendfsync", "always")
            await until(lambda: len(lines) == 2)
    await bus.close()
    # then both are told
    assert told(lines) == [
        ("warning", "platform.pressure.events_not_durable", NOT_ALWAYS),
        ("info", "platform.pressure.events_durable", None),
    ]


async def test_what_waits_is_shown_also_while_no_worker_measures_it(
    runtime: Runtime, redis: Redis
) -> None:
    # given an entry of ninety seconds ago and one of now, and no worker
    pressure = a_pressure(runtime)
    await runtime.bus.declare(INGEST, GROUP, partitions=4)
    then = round((time.time() - 90) * 1000)
    await redis.xadd(key_of(INGEST, 0), {FIELD: b"{}"}, id=f"{then}-0")
    await append(runtime, 1)
    # when they are measured
    await pressure.measure()
    # then they are counted, and the older one's age is shown
    shown = summary()
    labels = f"{{consumer={GROUP},stream={INGEST}}}"
    assert shown[f"stream_lag{labels}"] == 2
    assert 90 <= shown[f"stream_oldest_seconds{labels}"] < 120
    # until they are handled
    async with runtime.bus.lanes(INGEST, GROUP, partitions=4) as lanes:
        await lanes[0].acknowledge(await lanes[0].read(10))
    await pressure.measure()
    shown = summary()
    assert shown[f"stream_lag{labels}"] == 0
    assert shown[f"stream_oldest_seconds{labels}"] == 0


def told(lines: list[Any]) -> list[tuple[str, str, str | None]]:
    return [(each["log_level"], each["event"], each.get("reason")) for each in lines]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing says so
            await asyncio.sleep(0.01)
