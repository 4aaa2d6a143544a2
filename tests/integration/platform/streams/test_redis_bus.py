"""What only the bus on Redis has to see to: groups, leases, trimming, lost answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from robosure.platform.database import Database
from robosure.platform.settings import Settings
from robosure.platform.streams import Engine, engine
from robosure.platform.streams.appending import key_of
from robosure.platform.streams.bus import Backlog, BusAwayError, Record
from robosure.platform.streams.leases import Leases
from robosure.platform.streams.opening import open_bus
from robosure.platform.streams.redis_bus import RedisBus
from tests.integration.platform.streams.buses import LEASE_SECONDS, Buses
from tests.integration.platform.streams.marking import (
    GROUP,
    Marking,
    append_each,
    count,
    event,
    marked,
    record,
)
from tests.integration.platform.streams.outage import Gate
from tests.integration.platform.testing.listening import running, until

NOTHING = Backlog(0, None)


@pytest.fixture
def buses(redis_buses: Buses) -> Buses:
    return redis_buses


@pytest.fixture
def key(buses: Buses) -> str:
    return key_of(buses.stream, 0)


async def test_after_redis_was_wiped_the_group_is_made_again_from_the_beginning(
    db: Database, redis: Redis, buses: Buses
) -> None:
    bus = buses.open()
    await bus.declare(buses.stream, GROUP)
    worker = Engine(db, Marking(buses.stream))
    async with running(
        lambda stop: bus.serve(
            buses.stream, GROUP, partitions=1, work=worker.work, stop=stop
        )
    ):
        await append_each(bus, buses.stream, [event("a", 0)])
        await until(lambda: count(db), 1)
        # when Redis forgets everything, and is given more at once
        async with redis.pipeline() as pipe:
            pipe.flushdb()
            pipe.xadd(key_of(buses.stream, 0), {b"v": b"[]"})
            await pipe.execute()
        await append_each(bus, buses.stream, [event("a", 1), event("a", 2)])
        # then nothing of it is passed over
        await until(lambda: marked(db), [("a", 0), ("a", 1), ("a", 2)])
        await until(lambda: bus.backlog(buses.stream, GROUP, partitions=1), NOTHING)


async def test_what_waits_on_partitions_that_are_no_more_is_handled_too(
    db: Database, redis: Redis, buses: Buses
) -> None:
    # given a stream of four partitions, with an event on each
    bus = buses.open()
    await bus.declare(buses.stream, GROUP, partitions=4)
    for partition in range(4):
        marked_by = record(buses.stream, event("a", partition))
        await bus.append(marked_by._replace(partition=partition))
    # when it is said to have but two
    assert (await bus.backlog(buses.stream, GROUP, partitions=2)).entries == 4
    await bus.declare(buses.stream, GROUP, partitions=2)
    worker = Engine(db, Marking(buses.stream))
    async with running(
        lambda stop: bus.serve(
            buses.stream, GROUP, partitions=2, work=worker.work, stop=stop
        )
    ):
        # then all are handled, and trimmed
        await until(lambda: count(db), 4)
        await until(lambda: bus.backlog(buses.stream, GROUP, partitions=2), NOTHING)
    await bus.tidy(buses.stream, partitions=2)
    assert [await redis.xlen(key_of(buses.stream, each)) for each in range(4)] == [
        0
    ] * 4


async def test_a_redis_without_a_limit_is_measured_by_the_settings(
    redis: Redis, settings: Settings
) -> None:
    # given a Redis that may use all there is
    assert (await redis.info("memory"))["maxmemory"] == 0
    bus = open_bus(settings.model_copy(update={"event_memory_mb": 1}), redis)
    # when it is asked how full it is
    used = (await redis.info("memory"))["used_memory"] / 2**20
    # then that is by our limit
    assert await bus.fill() == pytest.approx(used, rel=0.5)
    await bus.close()


async def test_nothing_is_waited_for_after_a_full_batch_that_proved_to_be_small(
    db: Database, buses: Buses, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given that what follows a batch that was not full would be waited for very long
    monkeypatch.setattr(engine, "_GATHERING_SECONDS", 60)
    bus = buses.open()
    await bus.declare(buses.stream, GROUP)
    await append_each(bus, buses.stream, [event("a", number) for number in range(3)])
    # when one entry is read, for it may hold a hundred events, and holds but one
    worker = Engine(db, Marking(buses.stream), items_at_once=100)
    async with running(
        lambda stop: bus.serve(
            buses.stream, GROUP, partitions=1, work=worker.work, stop=stop
        )
    ):
        # then the next are read at once
        await until(lambda: count(db), 3)


async def test_an_answer_that_is_lost_on_its_way_takes_nothing_with_it(
    db: Database, buses: Buses, gate: Gate
) -> None:
    # given a reader whose connection no answer passes, while it is given something
    sender, bus = buses.open(), buses.open(gated=True)
    await sender.declare(buses.stream, GROUP)
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        assert list(await lane.read(10)) == []
        gate.swallow = True
        reading = asyncio.ensure_future(lane.read(10, wait=1))
        await asyncio.sleep(0.1)
        await sender.append(Record(buses.stream, b"a"))
        await asyncio.sleep(0.1)
        # when the connection breaks, and the next finds more
        await gate.shut()
        await sender.append(Record(buses.stream, b"b"))
        await gate.open()
        with pytest.raises(BusAwayError):
            await reading
        # then what was lost is read before what came after it
        lane.rewind()
        assert [entry.value for entry in await lane.read(10)] == [b"a"]
        assert [entry.value for entry in await lane.read(10)] == [b"b"]


async def test_only_what_every_group_has_acknowledged_is_dropped(
    redis: Redis, buses: Buses, key: str
) -> None:
    bus = buses.open()
    await bus.declare(buses.stream, "quick")
    await bus.declare(buses.stream, "slow")
    await bus.append(*(Record(buses.stream, b"%d" % n) for n in range(10)))

    async def acknowledge(group: str, number: int) -> None:
        async with bus.lanes(buses.stream, group, partitions=1) as (lane,):
            await lane.acknowledge(await lane.read(number))

    async def kept() -> list[bytes]:
        await bus.tidy(buses.stream, partitions=1)
        entries: Any = await redis.xrange(key)
        return [fields[b"v"] for _, fields in entries]

    # given a group that has handled all, and one that has handled nothing
    await acknowledge("quick", 10)
    assert len(await kept()) == 10
    # when that one goes on, then what both have handled is dropped
    await acknowledge("slow", 4)
    assert await kept() == [b"4", b"5", b"6", b"7", b"8", b"9"]
    async with bus.lanes(buses.stream, "slow", partitions=1) as (lane,):
        fourth, *_, last = await lane.read(6)
        await lane.acknowledge([last])
        assert len(await kept()) == 6  # the first is still in hand
        await lane.acknowledge([fourth])
        assert await kept() == [b"5", b"6", b"7", b"8", b"9"]
    assert await bus.backlog(buses.stream, "quick", partitions=1) == NOTHING


async def test_what_a_person_deleted_while_it_was_in_hand_holds_nothing_up(
    redis: Redis, buses: Buses, key: str
) -> None:
    bus = buses.open()
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        await bus.append(*(Record(buses.stream, value) for value in (b"a", b"b")))
        gone, _ = await lane.read(10)
        await redis.xdel(key, gone.position)
        lane.rewind()
        entries = await lane.read(10)
        assert [entry.value for entry in entries] == [b"b"]
        await lane.acknowledge(entries)
    assert await bus.backlog(buses.stream, GROUP, partitions=1) == NOTHING
    await bus.tidy(buses.stream, partitions=1)
    assert await redis.xlen(key) == 0


async def test_a_backlog_of_any_length_is_measured_without_reading_it(
    redis: Redis, buses: Buses
) -> None:
    bus = buses.open()
    await bus.declare(buses.stream, GROUP)
    await bus.append(*(Record(buses.stream, b"x") for _ in range(1_000)))
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        handled = await lane.read(400)
        await lane.acknowledge(handled[:300])
        await bus.tidy(buses.stream, partitions=1)
        found = await bus.backlog(buses.stream, GROUP, partitions=1)
        oldest = datetime.fromtimestamp(handled[300].appended_at, UTC)
        assert found == Backlog(700, oldest)


async def test_a_holder_that_does_not_reach_redis_gives_its_lanes_up_in_time(
    buses: Buses, redis: Redis, gate: Gate
) -> None:
    # given two processes, of which one holds the lane
    held: list[str] = []
    first, second = buses.open(gated=True), buses.open()
    await second.declare(buses.stream, GROUP)

    def serving(name: str, bus: RedisBus) -> Callable[[asyncio.Event], Awaitable[None]]:
        async def work(_lane: object, released: asyncio.Event) -> None:
            assert held == []
            held.append(name)
            await released.wait()
            held.remove(name)

        return lambda stop: bus.serve(
            buses.stream, GROUP, partitions=1, work=work, stop=stop
        )

    async def holding() -> list[str]:
        return list(held)

    assert isinstance(first, RedisBus)
    assert isinstance(second, RedisBus)
    async with running(serving("first", first)):
        await until(holding, ["first"])
        await asyncio.sleep(LEASE_SECONDS)
        # when it is cut off, then it lets go before another is given the lane
        await gate.shut()
        async with running(serving("second", second)):
            await until(holding, ["second"])
            await gate.open()
            await asyncio.sleep(LEASE_SECONDS)
            assert len(held) == 1
    # and leaves nothing behind
    assert await redis.keys("robosure:lease:*") == []


async def test_a_lease_is_renewed_for_as_long_as_the_work_takes_to_return(
    buses: Buses, redis: Redis
) -> None:
    # given work that is asked to return, and has something in hand
    go_on, stop = asyncio.Event(), asyncio.Event()

    async def own(_partition: int, released: asyncio.Event) -> None:
        await released.wait()
        await go_on.wait()

    leases = Leases(redis, seconds=LEASE_SECONDS)
    sharing = asyncio.ensure_future(leases.share("slow", 1, own, stop=stop))
    await until(lambda: redis.exists("robosure:lease:slow:0"), 1)
    stop.set()
    # when that takes longer than a lease
    await asyncio.sleep(2 * LEASE_SECONDS)
    # then nobody else can have it, until it has returned
    assert await redis.exists("robosure:lease:slow:0") == 1
    go_on.set()
    await asyncio.wait_for(sharing, 10)
    assert await redis.exists("robosure:lease:slow:0") == 0


async def test_what_work_dies_of_is_raised_and_every_lease_is_given_back(
    redis: Redis,
) -> None:
    async def own(partition: int, released: asyncio.Event) -> None:
        if partition == 1:
            raise LookupError("a mistake in the worker")
        await released.wait()

    leases = Leases(redis, seconds=LEASE_SECONDS)
    with pytest.raises(LookupError, match="a mistake in the worker"):
        await asyncio.wait_for(leases.share("dying", 3, own, stop=asyncio.Event()), 10)
    assert await redis.keys("robosure:lease:*") == []
    assert await redis.exists("robosure:members:dying") == 0


async def test_many_streams_of_one_lane_are_spread_over_the_processes(
    redis: Redis,
) -> None:
    owned: dict[str, list[int]] = {}
    stop = asyncio.Event()

    async def share(process: int, leases: Leases, name: str) -> None:
        async def own(_partition: int, released: asyncio.Event) -> None:
            owned.setdefault(name, []).append(process)
            await released.wait()
            owned[name].remove(process)

        await leases.share(name, 1, own, stop=stop)

    def owners() -> list[int]:
        return [owner for processes in owned.values() for owner in processes]

    async def held() -> int:
        return len(owners())

    async with asyncio.TaskGroup() as tasks:
        for process in range(2):
            leases = Leases(redis, seconds=LEASE_SECONDS)
            for number in range(24):
                tasks.create_task(share(process, leases, f"events.{number}"))
        await until(held, 24)
        await asyncio.sleep(3 * LEASE_SECONDS)  # until both know of each other
        await until(held, 24)
        assert set(owners()) == {0, 1}
        stop.set()


async def test_it_says_how_redis_could_lose_what_it_accepted(
    buses: Buses, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = buses.open()
    settings = {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }

    async def config_get(_redis: Redis, name: str) -> dict[str, str]:
        return {name: settings[name]}

    async def ask() -> list[str]:
        return list(await bus.weaknesses())

    monkeypatch.setattr(Redis, "config_get", config_get)
    assert await ask() == []
    settings["appendfsync"] = "everysec"
    sometimes = (
        "Redis syncs its file everysec, not always: "
        "a crash of its machine loses the last events it acknowledged"
    )
    assert await ask() == [sometimes]
    settings |= {"appendonly": "no", "maxmemory-policy": "allkeys-lru"}
    assert await ask() == [
        "Redis keeps no append-only file: a restart loses every event",
        "Redis evicts (allkeys-lru): at its memory limit it forgets streams",
    ]

    async def refuse(_redis: Redis, _name: str) -> dict[str, str]:
        raise ResponseError("unknown command 'CONFIG'")

    monkeypatch.setattr(Redis, "config_get", refuse)
    assert await ask() == ["Redis does not tell its settings (CONFIG is not allowed)"]


async def test_the_settings_that_redis_really_has_are_read(
    buses: Buses, redis: Redis
) -> None:
    found: dict[Any, Any] = await redis.config_get("appendonly")
    expected = "Redis keeps no append-only file: a restart loses every event"
    assert (expected in await buses.open().weaknesses()) == (
        found["appendonly"] == "no"
    )


async def test_how_full_it_is_follows_the_limit_that_redis_was_given(
    buses: Buses, redis: Redis
) -> None:
    bus = buses.open()
    assert await bus.fill() == 0.0
    limit = 8 * int((await redis.info("memory"))["used_memory"])
    await redis.config_set("maxmemory", limit)
    try:
        assert 0.05 < await bus.fill() < 0.5
    finally:
        await redis.config_set("maxmemory", 0)
