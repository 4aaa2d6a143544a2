"""Appending to Redis: nothing is said to be safe that is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from robosure.platform.runtime import connect_redis
from robosure.platform.settings import Settings
from robosure.platform.streams.appending import Appender, key_of
from robosure.platform.streams.bus import BusAwayError, Record


@pytest.fixture
async def appender(redis: Redis) -> AsyncIterator[Appender]:
    appender = Appender(redis)
    yield appender
    await appender.close()


async def values(redis: Redis, stream: str) -> list[bytes]:
    entries: Any = await redis.xrange(key_of(stream, 0))
    return [fields[b"v"] for _, fields in entries]


async def clients(redis: Redis) -> int:
    return len(await redis.client_list())


async def test_what_is_appended_is_there_in_order_and_byte_for_byte(
    redis: Redis, appender: Appender
) -> None:
    # given values that need care: none, what Redis' protocol is made of, any byte
    given = [b"", b"\r\n$1\r\n", bytes(range(256)), b"x" * 100_000]
    # when they are appended, with another key among them
    await appender.append(
        [Record("a", given[0]), Record("b", b"other"), Record("a", given[1])]
    )
    await appender.append([Record("a", each) for each in given[2:]])
    # then
    assert await values(redis, "a") == given
    assert await values(redis, "b") == [b"other"]


async def test_many_who_append_at_once_find_all_of_theirs(
    redis: Redis, appender: Appender
) -> None:
    # given twenty who append fifty times each, small and large, one after the other
    before = await clients(redis)

    async def append(who: int) -> None:
        for number in range(50):
            filler = b"." * (who * 1_000)
            await appender.append([Record("a", b"%d:%d:%b" % (who, number, filler))])

    await asyncio.gather(*(append(who) for who in range(20)))
    # then each finds its own in its order
    found: dict[int, list[int]] = {who: [] for who in range(20)}
    for value in await values(redis, "a"):
        who, number, _ = value.split(b":", 2)
        found[int(who)].append(int(number))
    assert found == {who: list(range(50)) for who in range(20)}
    # and it took a few connections
    assert await clients(redis) - before <= 16


async def test_what_redis_refuses_fails_alone(redis: Redis, appender: Appender) -> None:
    # given a key that holds no stream
    await redis.set(key_of("text", 0), "none")
    # when it and a stream are appended to at once
    refused, taken = await asyncio.gather(
        appender.append([Record("a", b"1"), Record("text", b"2")]),
        appender.append([Record("a", b"3")]),
        return_exceptions=True,
    )
    # then who asked for it is told, and the other has what it asked for
    assert isinstance(refused, BusAwayError)
    assert "WRONGTYPE" in str(refused)
    assert taken is None
    assert b"3" in await values(redis, "a")


async def test_a_connection_that_breaks_is_made_again(
    redis: Redis, settings: Settings
) -> None:
    # given a connection that was used and is closed by Redis
    others = {client["id"] for client in await redis.client_list()}
    async with connect_redis(settings) as own:
        appender = Appender(own)
        await appender.append([Record("a", b"1")])
        for client in await redis.client_list():
            if client["id"] not in others and client["cmd"] == "xadd":
                await redis.client_kill_filter(_id=client["id"])
        # when
        await appender.append([Record("a", b"2")])
        # then
        assert await values(redis, "a") == [b"1", b"2"]
        await appender.close()


async def test_everyone_who_waits_is_told_that_redis_is_away() -> None:
    away = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    appender = Appender(away)
    answers = await asyncio.gather(
        *(appender.append([Record("a", b"x" * 10_000)]) for _ in range(50)),
        return_exceptions=True,
    )
    await appender.close()
    await away.aclose()
    assert [type(answer) for answer in answers] == [BusAwayError] * 50


async def test_who_goes_while_waiting_leaves_the_others_alone(
    redis: Redis, appender: Appender
) -> None:
    # given two who wait, of whom one goes
    gone = appender.append([Record("a", b"1")])
    stays = appender.append([Record("a", b"2")])
    await asyncio.sleep(0)
    gone.cancel()
    # then the other gets its answer
    await stays
    assert await values(redis, "a") == [b"1", b"2"]
