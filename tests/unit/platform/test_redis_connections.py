"""Connections to Redis: one that was closed under us is an outage, and no bug."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from redis.asyncio import Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from robosure.platform.outages import infrastructure_is_away
from robosure.platform.runtime import connect_redis
from robosure.platform.settings import Settings


@pytest.mark.parametrize(
    ("scheme", "kind"), [("redis", Connection), ("rediss", SSLConnection)]
)
async def test_writing_to_a_closed_transport_is_an_outage(
    scheme: str, kind: type[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a connection whose transport was closed, as uvloop says it
    async def closed(*_: object, **__: object) -> None:
        raise RuntimeError("the handler is closed")

    monkeypatch.setattr(kind, "send_packed_command", closed)
    url = SecretStr(f"{scheme}://127.0.0.1:1/0")
    redis = connect_redis(Settings(_env_file=None, redis_url=url))
    pool = redis.connection_pool
    connection = pool.connection_class(**pool.connection_kwargs)
    assert isinstance(connection, kind)
    # when something is sent
    with pytest.raises(RedisConnectionError, match="handler is closed") as refused:
        await connection.send_packed_command(b"PING")
    # then it is waited out like any other outage
    assert infrastructure_is_away(refused.value)
    await redis.aclose()
