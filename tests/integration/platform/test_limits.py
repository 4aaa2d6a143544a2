"""Rate limits: by whom, by where from, by class; over all processes, or by one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy import func, select

from robosure.kernel.errors import LimitReached
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.http.access import api_routes
from robosure.platform.http.limits import RouteClass, RouteClasses
from robosure.platform.limits import Limit, Limiter
from robosure.platform.metrics import summary
from robosure.platform.runtime import Runtime
from tests.integration.platform.testing.app import an_app
from tests.integration.platform.testing.cart import carts
from tests.integration.platform.testing.seconds import Seconds
from tests.support import ApiClient, FixedClock, code_of

FAST = Limit("testing", 1_000, seconds=1_000)
EXACT = Limit("testing", 5, seconds=500)


async def spend(limiter: Limiter, limit: Limit, times: int) -> int:
    """Ask so often; return how often it was granted."""
    granted = 0
    for _ in range(times):
        try:
            await limiter.spend(limit, "somebody")
        except LimitReached:
            continue
        granted += 1
    return granted


@pytest.mark.usefixtures("waited_for")
async def test_a_small_quota_is_counted_one_by_one_by_all_processes(
    redis: Redis,
) -> None:
    # given three processes
    limiters = [Limiter(redis) for _ in range(3)]
    # when each is asked twice
    granted = [await spend(limiter, EXACT, 2) for limiter in limiters]
    # then the quota of five is all they gave
    assert granted == [2, 2, 1]


@pytest.mark.usefixtures("waited_for")
async def test_of_a_large_quota_processes_take_shares_and_never_more_than_it(
    redis: Redis,
) -> None:
    limiters = [Limiter(redis) for _ in range(3)]
    counts = await asyncio.gather(*(spend(each, FAST, 600) for each in limiters))
    # nobody was refused while there was something, and what refills meanwhile is little
    assert 1_000 <= sum(counts) <= 1_000 + 3


@pytest.mark.usefixtures("waited_for")
async def test_redis_is_asked_once_for_a_share(redis: Redis) -> None:
    limiter = Limiter(redis)
    await asyncio.gather(*(spend(limiter, FAST, 1) for _ in range(30)))
    # three shares of ten are gone, and no share for each that was spent
    left = await redis.hget("robosure:limit:testing:somebody", "tokens")
    assert left is not None
    assert 970 <= float(left) <= 973


@pytest.mark.usefixtures("waited_for")
async def test_what_is_at_hand_is_there_until_it_is_spent(redis: Redis) -> None:
    limiter = Limiter(redis)
    assert limiter.at_hand(EXACT, "somebody") is None
    large = Limit("testing", 1_000, seconds=500)
    await limiter.spend(large, "somebody")
    # given a share of ten of which one is spent
    for left in range(9, 0, -1):
        share = limiter.at_hand(large, "somebody")
        assert share is not None
        assert share.left == left
        share.spend()
    # then a tenth has to be asked for, as by somebody else and of another quota
    assert limiter.at_hand(large, "somebody") is None
    await limiter.spend(large, "somebody")
    assert limiter.at_hand(large, "somebody else") is None
    assert limiter.at_hand(Limit("testing", 2_000, seconds=500), "somebody") is None
    assert limiter.at_hand(large, "somebody") is not None


@pytest.mark.usefixtures("waited_for")
async def test_each_is_counted_alone(redis: Redis) -> None:
    limiter = Limiter(redis)
    assert await spend(limiter, EXACT, 9) == 5
    await limiter.spend(EXACT, "somebody else")
    await limiter.spend(Limit("another", 5), "somebody")


@pytest.mark.usefixtures("waited_for")
async def test_what_was_spent_comes_back_with_time(redis: Redis) -> None:
    seconds = Seconds()
    limiter = Limiter(redis, now=seconds)
    quick = Limit("testing", 2, seconds=1)
    assert await spend(limiter, quick, 9) == 2
    # when half of the window has passed, here and for Redis
    await asyncio.sleep(0.55)
    seconds.now += 0.55
    assert await spend(limiter, quick, 9) == 1


@pytest.mark.usefixtures("waited_for")
async def test_a_refusal_says_what_was_reached_and_when_to_come_again(
    redis: Redis,
) -> None:
    limiter = Limiter(redis, now=Seconds())
    await spend(limiter, EXACT, 5)
    with pytest.raises(LimitReached) as refused:
        await limiter.spend(EXACT, "somebody")
    assert refused.value.details == {
        "limit": "testing",
        "quota": 5,
        "window_seconds": 500,
        "retry_after_seconds": 100,
    }


@pytest.mark.usefixtures("waited_for")
async def test_who_keeps_asking_costs_redis_nothing(redis: Redis) -> None:
    limiter = Limiter(redis, now=Seconds())
    await spend(limiter, EXACT, 6)
    # when the bucket is full again, as Redis would say if it were asked
    await redis.flushdb()
    # then it is not
    assert await spend(limiter, EXACT, 50) == 0


@pytest.mark.usefixtures("waited_for")
async def test_a_bucket_that_is_full_again_is_forgotten(redis: Redis) -> None:
    await spend(Limiter(redis), Limit("testing", 2, seconds=1), 1)
    (key,) = await redis.keys("robosure:limit:*")
    assert 0 < await redis.pttl(key) <= 502


async def test_without_redis_a_process_counts_by_itself(nowhere: Redis) -> None:
    seconds = Seconds()
    limiter = Limiter(nowhere, now=seconds)
    assert await spend(limiter, EXACT, 9) == 5
    seconds.now += 100
    assert await spend(limiter, EXACT, 9) == 1


async def test_a_redis_that_does_not_answer_is_left_alone_for_a_while() -> None:
    # given a server that takes connections and says nothing
    asked = 0

    async def say_nothing(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    silent = Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0))
    seconds = Seconds()
    limiter = Limiter(silent, now=seconds)
    # when there is much to count
    started = asyncio.get_running_loop().time()
    assert await spend(limiter, FAST, 500) == 500
    # then only the first waited, and only for its quarter of a second
    assert asyncio.get_running_loop().time() - started < 2
    assert asked == 1
    await silent.aclose()
    server.close()
    await server.wait_closed()


async def test_when_redis_is_back_all_count_together_again(
    redis: Redis, nowhere: Redis
) -> None:
    seconds = Seconds()
    limiter = Limiter(nowhere, now=seconds)
    assert await spend(limiter, EXACT, 3) == 3
    limiter._take = redis.register_script(limiter._take.script)
    seconds.now += 2
    # what was counted alone is forgotten; the quota is the common one
    assert await spend(limiter, EXACT, 9) == 5
    assert await spend(Limiter(redis), EXACT, 1) == 0


@pytest.mark.usefixtures("waited_for")
async def test_only_so_many_are_remembered(redis: Redis) -> None:
    limiter = Limiter(redis, most=2)
    for name in ("a", "b", "c"):
        await limiter.spend(EXACT, name)
    known = [limiter.standing(EXACT, name) is not None for name in ("a", "b", "c")]
    assert known == [False, True, True]


# --- over HTTP ------------------------------------------------------------------------


def limited(runtime: Runtime, redis: Redis | None = None, **settings: Any) -> ApiClient:
    changed = runtime.settings.model_copy(update=settings)
    counting = replace(runtime, redis=redis or runtime.redis)
    return ApiClient(an_app(counting, settings=changed))


async def test_who_asks_too_often_is_told_when_to_come_again(
    runtime: Runtime, db: Database, clock: FixedClock
) -> None:
    web = limited(runtime, rate_limit_write=2)
    async with web.as_("underwriter") as client:
        # given two that are taken
        taken = [await client.post("/carts", json={"name": name}) for name in "ab"]
        # when there is a third
        refused = await client.post("/carts", json={"name": "c"})
    assert [answer.status_code for answer in taken] == [201, 201]
    standings = [answer.headers["RateLimit"] for answer in taken]
    assert standings == ['"write";r=1;t=30', '"write";r=0;t=60']
    assert (refused.status_code, code_of(refused)) == (429, "too_many_requests")
    assert refused.headers["Retry-After"] == "30"
    assert refused.headers["RateLimit-Policy"] == '"write";q=2;w=60'
    assert refused.headers["RateLimit"] == '"write";r=0;t=60'
    assert refused.json()["context"] == {
        "limit": "write",
        "quota": 2,
        "window_seconds": 60,
        "retry_after_seconds": 30,
    }
    # then nothing was done
    async with db.read() as session:
        count = await session.scalar(select(func.count()).select_from(carts))
    assert count == 2
    assert summary()["http_requests_limited_total{limit=write}"] >= 1


async def test_classes_and_people_are_counted_apart(
    runtime: Runtime, db: Database, clock: FixedClock
) -> None:
    web = limited(runtime, rate_limit_write=1, rate_limit_read=1)
    async with web.as_("admin") as one, web.as_("admin") as other:
        answers = [
            await one.post("/carts", json={"name": "a"}),
            await one.get("/carts"),
            await one.get("/carts"),
            await other.get("/carts"),
        ]
    assert [answer.status_code for answer in answers] == [201, 200, 429, 200]


async def test_an_address_is_counted_before_it_is_known_who_asks(
    runtime: Runtime, clock: FixedClock
) -> None:
    web = limited(runtime, rate_limit_read=2, rate_limit_address_factor=2)
    async with web.anonymous() as client:
        answers = [await client.get("/carts") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429]
    assert code_of(answers[4]) == "too_many_requests"
    assert answers[4].headers["RateLimit-Policy"] == '"read-by-address";q=4;w=60'


async def test_behind_a_trusted_proxy_each_client_is_an_address(
    runtime: Runtime, clock: FixedClock
) -> None:
    proxies = runtime.settings.model_validate({"trusted_proxies": "127.0.0.0/8"})
    web = limited(
        runtime,
        trusted_proxies=proxies.trusted_proxies,
        rate_limit_read=1,
        rate_limit_address_factor=1,
    )

    async def ask(client: httpx.AsyncClient, address: str) -> int:
        headers = {"X-Forwarded-For": address}
        return (await client.get("/nowhere", headers=headers)).status_code

    async with web.anonymous() as client:
        addresses = ("198.51.100.1", "198.51.100.2", "9.9.9.9, 198.51.100.1")
        statuses = [await ask(client, address) for address in addresses]
    assert statuses == [404, 404, 429]


async def test_a_limit_of_nothing_is_none(
    runtime: Runtime, db: Database, clock: FixedClock
) -> None:
    web = limited(runtime, rate_limit_read=0)
    async with web.as_("admin") as client:
        answers = [await client.get("/carts") for _ in range(9)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0].headers


async def test_whoever_watches_over_the_installation_is_always_answered(
    runtime: Runtime, clock: FixedClock
) -> None:
    web = limited(runtime, rate_limit_read=1, rate_limit_address_factor=1)
    async with web.anonymous() as client:
        for path in ("/health", "/ready", "/metrics", "/metrics/summary") * 3:
            answer = await client.get(f"http://robosure.test{path}")
            assert answer.status_code == 200, path


async def test_without_redis_limits_hold_and_nothing_fails(
    runtime: Runtime, db: Database, nowhere: Redis, clock: FixedClock
) -> None:
    web = limited(runtime, nowhere, rate_limit_read=2)
    async with web.as_("admin") as client:
        answers = [await client.get("/carts") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_every_route_of_the_product_is_counted_as_what_it_is(api: ApiClient) -> None:
    classes = RouteClasses(route for _, route in api_routes(api.app))
    one = uuid7()
    counted = {
        ("POST", "/api/v1/auth/sign-in"): RouteClass.SIGN_IN,
        ("POST", "/api/v1/auth/token"): RouteClass.SIGN_IN,
        ("POST", "/api/v1/events"): RouteClass.TELEMETRY,
        ("POST", f"/api/v1/robots/{one}/telemetry"): RouteClass.TELEMETRY,
        ("GET", "/api/v1/events"): RouteClass.READ,
        ("GET", "/api/v1/events/export"): RouteClass.EXPORT,
        ("GET", "/api/v1/auth/me/personal-data"): RouteClass.EXPORT,
        ("GET", f"/api/v1/users/{one}/personal-data"): RouteClass.EXPORT,
        ("GET", f"/api/v1/event-archives/{one}/file"): RouteClass.EXPORT,
        ("GET", f"/api/v1/policies/{one}/certificate"): RouteClass.EXPORT,
        ("GET", f"/api/v1/claims/{one}/evidence/{one}/content"): RouteClass.EXPORT,
        ("POST", "/api/v1/quotes"): RouteClass.WRITE,
        ("DELETE", "/nowhere"): RouteClass.WRITE,
        ("GET", "/nowhere"): RouteClass.READ,
        ("GET", "/docs"): RouteClass.READ,
        ("GET", "/health"): None,
        ("GET", "/metrics"): None,
    }
    assert {request: classes.of(*request) for request in counted} == counted
