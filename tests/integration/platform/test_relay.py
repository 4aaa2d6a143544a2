"""The relay: from the outbox to the streams, in order, at least once."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from robosure.platform.database import Database
from robosure.platform.settings import Settings
from robosure.platform.streams import EventBus, Relay
from robosure.platform.streams import relay as relay_module
from robosure.platform.streams.bus import BusAwayError, Record
from robosure.platform.streams.redis_bus import trim_acknowledged
from tests.integration.platform.testing.listening import (
    KEY,
    effects_of,
    listening,
    running,
    tell,
    until,
)


async def test_facts_arrive_in_the_order_in_which_they_were_told(
    db: Database, redis: Redis, bus: EventBus, relay: Relay
) -> None:
    names = [f"n{number}" for number in range(250)]
    await tell(db, *names)
    assert await relay.relay() == 250
    assert await relay.relay() == 0
    assert await listening(db, bus).drain() == 250
    assert await effects_of(db) == names


async def test_a_relay_that_dies_before_marking_tells_twice_with_one_effect(
    db: Database, redis: Redis, bus: EventBus, relay: Relay
) -> None:
    # given a relay that dies when the stream has the facts
    await tell(db, "a", "b")
    with (
        patch.object(relay_module, "mark_published", side_effect=SystemExit),
        pytest.raises(SystemExit),
    ):
        await relay.relay()
    # when the next one relays them again
    assert await relay.relay() == 2
    assert await redis.xlen(KEY) == 4
    # then they have one effect each
    assert await listening(db, bus).drain() == 4
    assert await effects_of(db) == ["a", "b"]


async def test_two_relays_at_once_tell_everything_once_and_in_order(
    db: Database, redis: Redis, bus: EventBus, relay: Relay, settings: Settings
) -> None:
    names = [f"n{number}" for number in range(30)]
    other = Relay(db, bus, listen_url=settings.sync_database_url)
    await tell(db, *names)
    for _ in range(3):
        await asyncio.gather(relay.relay(), other.relay())
    assert await redis.xlen(KEY) == 30
    await listening(db, bus).drain()
    assert await effects_of(db) == names


async def test_what_a_slow_group_still_needs_is_not_trimmed(
    db: Database, redis: Redis, bus: EventBus, relay: Relay
) -> None:
    # given two groups, one of which has handled everything, the other nothing
    await redis.xgroup_create(KEY, "slow", id="0", mkstream=True)
    await tell(db, "a", "b", "c")
    await relay.relay()
    await listening(db, bus).drain()
    # when
    await trim_acknowledged(redis, KEY)
    # then all of it is there for the other; and gone when both are done
    assert await redis.xlen(KEY) == 3
    assert await listening(db, bus, group="slow").drain() == 3
    await trim_acknowledged(redis, KEY)
    assert await redis.xlen(KEY) == 0
    await tell(db, "d")
    await relay.relay()
    assert await listening(db, bus).drain() == 1


async def test_an_entry_read_but_not_acknowledged_is_not_trimmed(
    db: Database, redis: Redis, bus: EventBus, relay: Relay
) -> None:
    await tell(db, "a", "b", "c")
    await relay.relay()
    await redis.xgroup_create(KEY, "listening", id="0")
    await redis.xreadgroup("listening", "owner", {KEY: ">"})
    first, *others = await ids_in(redis)
    await redis.xack(KEY, "listening", first)
    await trim_acknowledged(redis, KEY)
    assert await ids_in(redis) == others


async def ids_in(redis: Redis) -> list[bytes]:
    entries: Any = await redis.xrange(KEY)
    return [entry_id for entry_id, _ in entries]


async def test_a_commit_wakes_the_relay(
    db: Database,
    redis: Redis,
    bus: EventBus,
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a relay that would not look again by itself for a minute
    monkeypatch.setattr(relay_module, "_POLL_SECONDS", 60.0)
    async with running(relay.run):
        await until(lambda: _listeners(db), 1)
        await tell(db, "a")
        await until(lambda: redis.xlen(KEY), 1)


async def test_a_commit_while_the_relay_looks_wakes_it_as_well(
    db: Database,
    redis: Redis,
    bus: EventBus,
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a relay that has looked and found nothing, and is told of something before
    # it waits
    monkeypatch.setattr(relay_module, "_POLL_SECONDS", 60.0)
    look, heard = relay.relay, asyncio.Event()
    wake = relay._wake

    def hear(*arguments: Any) -> None:
        wake(*arguments)
        heard.set()

    async def look_slowly() -> int:
        found = await look()
        if not heard.is_set():
            await until(lambda: _listeners(db), 1)
            await tell(db, "a")
            await heard.wait()
        return found

    monkeypatch.setattr(relay, "_wake", hear)
    monkeypatch.setattr(relay, "relay", look_slowly)
    # when it goes on, then it looks again at once
    async with running(relay.run):
        await until(lambda: redis.xlen(KEY), 1)


async def test_a_relay_that_hears_nothing_still_looks(
    db: Database, redis: Redis, bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_POLL_SECONDS", 0.02)
    deaf = Relay(db, bus, listen_url="postgresql://nobody@127.0.0.1:1/nothing")
    async with running(deaf.run):
        await tell(db, "a")
        await until(lambda: redis.xlen(KEY), 1)


async def test_a_flushed_redis_is_recovered_from(
    db: Database, redis: Redis, bus: EventBus, relay: Relay
) -> None:
    async with running(listening(db, bus).run):
        await tell(db, "before")
        await relay.relay()
        await until(lambda: effects_of(db), ["before"])
        # when everything in Redis is lost, groups included
        await redis.flushdb()
        await tell(db, "after")
        await relay.relay()
        # then
        await until(lambda: effects_of(db), ["before", "after"])


async def _listeners(db: Database) -> int:
    async with db.read() as session:
        found = await session.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' "
                "AND datname = current_database()"
            )
        )
        return int(found.scalar_one())


async def test_a_redis_that_is_away_postpones_what_is_told(
    db: Database,
    redis: Redis,
    bus: EventBus,
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a bus that fails twice
    monkeypatch.setattr(relay_module, "_POLL_SECONDS", 0.02)
    failures = [BusAwayError(), BusAwayError()]
    append = bus.append

    async def failing(*records: Record) -> None:
        if failures:
            raise failures.pop()
        await append(*records)

    monkeypatch.setattr(bus, "append", failing)
    await tell(db, "a")
    async with running(relay.run):
        await until(lambda: redis.xlen(KEY), 1)
    assert failures == []
