"""Evidence waits for telemetry that was accepted before it was asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from robosure.platform.streams.keys import ensure_group, oldest_waiting

STREAM, GROUP = "a-stream", "a-group"


async def test_nothing_waits_on_a_stream_that_is_not_there(redis: Redis) -> None:
    assert await oldest_waiting(redis, STREAM, GROUP) is None


async def test_the_oldest_entry_waits_until_it_is_acknowledged(redis: Redis) -> None:
    # given two entries, an hour apart, and a group that has read neither
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    first, second = _id(noon), _id(noon + timedelta(hours=1))
    await redis.xadd(STREAM, {"a": "b"}, id=first)
    await redis.xadd(STREAM, {"a": "b"}, id=second)
    await ensure_group(redis, STREAM, GROUP)
    assert await oldest_waiting(redis, STREAM, GROUP) == noon
    # when both are read, the first still waits, for it is not acknowledged
    await redis.xreadgroup(GROUP, "one", {STREAM: ">"})
    assert await oldest_waiting(redis, STREAM, GROUP) == noon
    # then, once it is, the second does
    await redis.xack(STREAM, GROUP, first)
    assert await oldest_waiting(redis, STREAM, GROUP) == noon + timedelta(hours=1)
    await redis.xack(STREAM, GROUP, second)
    assert await oldest_waiting(redis, STREAM, GROUP) is None


def _id(moment: datetime) -> str:
    return f"{int(moment.timestamp() * 1000)}-0"
