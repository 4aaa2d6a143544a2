"""Guessing is slowed down: by pair and by account; over all processes, or by one."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from robosure.kernel.errors import LimitReached
from robosure.platform.security import Attempt, Throttle
from tests.integration.platform.testing.seconds import Seconds

ADA = "ada@robosure.example"
HOME = "198.51.100.1"

pytestmark = pytest.mark.usefixtures("waited_for")


async def begun(
    throttle: Throttle, times: int = 1, *, account: str = ADA, source: str = HOME
) -> list[Attempt]:
    return [await throttle.begin(account, source=source) for _ in range(times)]


async def delay_of(
    throttle: Throttle, *, account: str = ADA, source: str = HOME
) -> int:
    with pytest.raises(LimitReached) as refused:
        await throttle.begin(account, source=source)
    assert refused.value.code == "sign_in_delayed"
    (seconds,) = refused.value.details.values()
    assert isinstance(seconds, int)
    return seconds


async def end_delays(redis: Redis) -> None:
    """Let Redis' time pass until nobody waits any more."""
    await redis.delete(*await redis.keys("robosure:throttle:*:delay"))


async def fail_from_everywhere(throttle: Throttle, times: int) -> None:
    for number in range(times):
        await throttle.begin(ADA, source=f"203.0.113.{number}")


async def test_five_failures_cost_nothing_and_each_further_one_twice_as_much(
    redis: Redis,
) -> None:
    throttle = Throttle(redis)
    await begun(throttle, 5)
    delays = []
    for _ in range(9):
        await begun(throttle)
        delays.append(await delay_of(throttle))
        await end_delays(redis)
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_delay_ends_by_itself(redis: Redis) -> None:
    throttle = Throttle(redis)
    await begun(throttle, 6)
    assert await delay_of(throttle) == 1
    await asyncio.sleep(1.05)
    await begun(throttle)


async def test_waiting_in_vain_makes_no_delay_longer(redis: Redis) -> None:
    throttle = Throttle(redis)
    delays: list[int] = []
    for times in (6, 1, 1, 1):
        await begun(throttle, times)
        delays = [await delay_of(throttle) for _ in range(20)]
        await end_delays(redis)
    assert delays == [8] * 20


async def test_another_address_and_another_account_need_not_wait(redis: Redis) -> None:
    throttle = Throttle(redis)
    await begun(throttle, 6)
    await begun(throttle, source="198.51.100.2")
    await begun(throttle, account="grace@robosure.example")
    assert await delay_of(throttle) == 1


async def test_after_fifty_failures_from_anywhere_everybody_waits(redis: Redis) -> None:
    throttle = Throttle(redis)
    await fail_from_everywhere(throttle, 50)
    await begun(throttle)
    assert await delay_of(throttle, source="192.0.2.1") == 1
    await end_delays(redis)
    await begun(throttle, source="192.0.2.2")
    assert await delay_of(throttle, source="192.0.2.3") == 2
    # but not for another account
    await begun(throttle, account="grace@robosure.example")


async def test_success_forgets_the_pair_and_counts_for_nothing(redis: Redis) -> None:
    throttle = Throttle(redis)
    # given one who is right at the sixth attempt
    *_, last = await begun(throttle, 6)
    await throttle.right(last)
    # then they begin anew
    await begun(throttle, 6)
    assert await delay_of(throttle) == 1


async def test_the_right_password_delays_nobody_of_an_account_under_attack(
    redis: Redis,
) -> None:
    throttle = Throttle(redis)
    await fail_from_everywhere(throttle, 50)
    for _ in range(3):
        (attempt,) = await begun(throttle)
        await throttle.right(attempt)
    # what others failed at is not forgotten
    await begun(throttle)
    assert await delay_of(throttle, source="192.0.2.1") == 1


async def test_a_success_does_not_take_back_the_delay_of_a_later_failure(
    redis: Redis,
) -> None:
    throttle = Throttle(redis)
    await fail_from_everywhere(throttle, 49)
    # given one that takes its time, and one that fails meanwhile
    (slow,) = await begun(throttle)
    await begun(throttle, source="192.0.2.1")
    # when the first turns out to be right
    await throttle.right(slow)
    assert await delay_of(throttle, source="192.0.2.2") == 1


async def test_of_fifty_at_once_six_are_judged_by_all_processes_together(
    redis: Redis,
) -> None:
    throttles = [Throttle(redis) for _ in range(5)]
    # given connections that are open, so that no delay is over before all have asked
    await asyncio.gather(*(redis.ping() for _ in range(50)))
    answers = await asyncio.gather(
        *(each.begin(ADA, source=HOME) for each in throttles for _ in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Attempt) for each in answers) == 6
    assert sum(isinstance(each, LimitReached) for each in answers) == 44


async def test_redis_knows_no_name_and_forgets_after_an_hour(redis: Redis) -> None:
    await begun(Throttle(redis), 6)
    keys = await redis.keys("robosure:throttle:*")
    assert len(keys) == 3  # two counts and a delay
    assert not any(name in str(key) for key in keys for name in (ADA, HOME))
    for key in keys:
        longest = 1 if ":delay" in str(key) else 3_600
        assert longest - 1 <= await redis.pttl(key) / 1_000 <= longest


async def test_without_redis_a_process_counts_by_itself(nowhere: Redis) -> None:
    seconds = Seconds()
    throttle = Throttle(nowhere, now=seconds)
    await begun(throttle, 5)
    for expected in (1, 2, 4, 8, 16, 32, 60, 60):
        await begun(throttle)
        assert [await delay_of(throttle) for _ in range(3)] == [expected] * 3
        seconds.now += expected
    # an hour after the last failure nothing is left of it
    seconds.now += 3_600
    await begun(throttle, 6)
    assert await delay_of(throttle) == 1


async def test_without_redis_success_is_known_and_accounts_are_guarded(
    nowhere: Redis,
) -> None:
    throttle = Throttle(nowhere, now=Seconds())
    *_, last = await begun(throttle, 6)
    await throttle.right(last)
    await fail_from_everywhere(throttle, 45)
    (attempt,) = await begun(throttle)
    await throttle.right(attempt)
    await begun(throttle)
    assert await delay_of(throttle, source="192.0.2.1") == 1


async def test_a_name_that_was_pushed_out_has_no_success_to_forget(
    nowhere: Redis,
) -> None:
    throttle = Throttle(nowhere, most=2, now=Seconds())
    (attempt,) = await begun(throttle)
    await begun(throttle, 6, account="grace@robosure.example")
    await throttle.right(attempt)
    assert await delay_of(throttle, account="grace@robosure.example") == 1


async def test_a_redis_that_went_away_is_left_alone_for_a_while_and_asked_again(
    redis: Redis, nowhere: Redis
) -> None:
    seconds = Seconds()
    throttle, script = Throttle(redis, now=seconds), Throttle(nowhere)._right
    (attempt,) = await begun(throttle)
    # when it goes away between an attempt and its success
    there, throttle._right = throttle._right, script
    await throttle.right(attempt)
    # then the failures count here, for a second
    await begun(throttle, 6)
    assert await delay_of(throttle) == 1
    seconds.now += 1
    throttle._right = there
    await begun(throttle, 5)
    assert await delay_of(throttle) == 1
