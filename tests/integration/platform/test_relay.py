"""The relay: from the outbox to the streams, in order, at least once."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import text

from robosure.platform.database import Database
from robosure.platform.settings import Settings
from robosure.platform.streams import Relay
from robosure.platform.streams import relay as relay_module
from robosure.platform.streams.keys import trim_acknowledged
from tests.integration.platform.testing.listening import (
    STREAM,
    effects_of,
    listening,
    running,
    tell,
    until,
)


async def test_facts_arrive_in_the_order_in_which_they_were_told(
    db: Database, redis: Redis, relay: Relay
) -> None:
    names = [f"n{number}" for number in range(250)]
    await tell(db, *names)
    assert await relay.relay() == 250
    assert await relay.relay() == 0
    assert await listening(db, redis).drain() == 250
    assert await effects_of(db) == names


async def test_a_relay_that_dies_before_marking_tells_twice_with_one_effect(
    db: Database, redis: Redis, relay: Relay
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
    assert await redis.xlen(STREAM) == 4
    # then they have one effect each
    assert await listening(db, redis).drain() == 4
    assert await effects_of(db) == ["a", "b"]


async def test_two_relays_at_once_tell_everything_once_and_in_order(
    db: Database, redis: Redis, relay: Relay, settings: Settings
) -> None:
    names = [f"n{number}" for number in range(30)]
    other = Relay(db, redis, listen_url=settings.sync_database_url)
    await tell(db, *names)
    for _ in range(3):
        await asyncio.gather(relay.relay(), other.relay())
    assert await redis.xlen(STREAM) == 30
    await listening(db, redis).drain()
    assert await effects_of(db) == names


async def test_what_a_slow_group_still_needs_is_not_trimmed(
    db: Database, redis: Redis, relay: Relay
) -> None:
    # given two groups, one of which has handled everything, the other nothing
    await redis.xgroup_create(STREAM, "slow", id="0", mkstream=True)
    await tell(db, "a", "b", "c")
    await relay.relay()
    await listening(db, redis).drain()
    # when
    await trim_acknowledged(redis, STREAM)
    # then all of it is there for the other; and gone when both are done
    assert await redis.xlen(STREAM) == 3
    assert await listening(db, redis, group="slow").drain() == 3
    await trim_acknowledged(redis, STREAM)
    assert await redis.xlen(STREAM) == 0
    await tell(db, "d")
    await relay.relay()
    assert await listening(db, redis).drain() == 1


async def test_an_entry_read_but_not_acknowledged_is_not_trimmed(
    db: Database, redis: Redis, relay: Relay
) -> None:
    await tell(db, "a", "b", "c")
    await relay.relay()
    await redis.xgroup_create(STREAM, "listening", id="0")
    await redis.xreadgroup("listening", "worker-1", {STREAM: ">"})
    first, *others = await ids_in(redis)
    await redis.xack(STREAM, "listening", first)
    await trim_acknowledged(redis, STREAM)
    assert await ids_in(redis) == others


async def ids_in(redis: Redis) -> list[bytes]:
    entries: Any = await redis.xrange(STREAM)
    return [entry_id for entry_id, _ in entries]


async def test_a_commit_wakes_the_relay(
    db: Database, redis: Redis, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a relay that would not look again by itself for a minute
    monkeypatch.setattr(relay_module, "_POLL_SECONDS", 60.0)
    async with running(relay.run):
        await until(lambda: _listeners(db), 1)
        await tell(db, "a")
        await until(lambda: redis.xlen(STREAM), 1)


async def test_a_relay_that_hears_nothing_still_looks(
    db: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_POLL_SECONDS", 0.02)
    deaf = Relay(db, redis, listen_url="postgresql://nobody@127.0.0.1:1/nothing")
    async with running(deaf.run):
        await tell(db, "a")
        await until(lambda: redis.xlen(STREAM), 1)


async def test_a_flushed_redis_is_recovered_from(
    db: Database, redis: Redis, relay: Relay
) -> None:
    async with running(listening(db, redis).run):
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
    db: Database, redis: Redis, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a Redis that fails twice
    monkeypatch.setattr(relay_module, "_POLL_SECONDS", 0.02)
    failures = [RedisConnectionError(), RedisConnectionError()]
    pipeline = redis.pipeline

    def failing(*, transaction: bool) -> Any:
        if failures:
            raise failures.pop()
        return pipeline(transaction=transaction)

    monkeypatch.setattr(redis, "pipeline", failing)
    await tell(db, "a")
    async with running(relay.run):
        await until(lambda: redis.xlen(STREAM), 1)
    assert failures == []
