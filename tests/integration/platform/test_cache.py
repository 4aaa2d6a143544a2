"""The cache: loads once, forgets when told, and does without Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from structlog.testing import capture_logs

from robosure.kernel.money import Money
from robosure.platform.cache import Cache, cached

_loads: list[str] = []


@cached("prices:{code}", type_=Money, ttl=timedelta(minutes=1))
async def price(cache: Cache, *, code: str) -> Money:
    _loads.append(code)
    return Money(len(_loads), "EUR")


@pytest.fixture(autouse=True)
def loads() -> list[str]:
    _loads.clear()
    return _loads


@pytest.fixture
def cache(redis: Redis) -> Cache:
    return Cache(redis)


@pytest.fixture
async def without_redis() -> AsyncIterator[Cache]:
    away = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    yield Cache(away)
    await away.aclose()


async def test_a_value_is_loaded_once_per_key(cache: Cache, loads: list[str]) -> None:
    assert await price(cache, code="a") == await price(cache, code="a")
    assert await price(cache, code="b") == Money(2, "EUR")
    assert loads == ["a", "b"]


async def test_what_is_invalidated_is_loaded_again(
    cache: Cache, loads: list[str]
) -> None:
    await price(cache, code="a")
    await cache.invalidate("prices:a", "prices:unknown")
    await cache.invalidate()
    assert await price(cache, code="a") == Money(2, "EUR")


async def test_a_value_is_kept_for_its_time(cache: Cache, redis: Redis) -> None:
    await price(cache, code="a")
    assert 0 < await redis.pttl("robosure:cache:prices:a") <= 60_000


async def test_a_value_of_another_shape_is_loaded_again(
    cache: Cache, redis: Redis, loads: list[str]
) -> None:
    # given what another version of the code kept
    await redis.set("robosure:cache:prices:a", b'{"cents": 1}')
    assert await price(cache, code="a") == Money(1, "EUR")
    assert await price(cache, code="a") == Money(1, "EUR")
    assert loads == ["a"]


async def test_while_redis_is_away_everything_is_loaded(
    without_redis: Cache, loads: list[str]
) -> None:
    with capture_logs() as lines:
        assert await price(without_redis, code="a") == Money(1, "EUR")
        assert await price(without_redis, code="a") == Money(2, "EUR")
    assert loads == ["a", "a"]
    assert {line["event"] for line in lines} == {"platform.cache.read_failed"}


async def test_a_redis_that_takes_nothing_costs_no_answer(
    cache: Cache, redis: Redis
) -> None:
    await redis.set("full", 1)
    await redis.config_set("maxmemory", "1")
    try:
        with capture_logs() as lines:
            assert await price(cache, code="a") == Money(1, "EUR")
    finally:
        await redis.config_set("maxmemory", "0")
    assert [line["event"] for line in lines] == ["platform.cache.write_failed"]
