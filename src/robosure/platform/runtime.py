"""The runtime: what a process needs to do business, opened once and closed once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from robosure.kernel.time import Clock, SystemClock
from robosure.platform.cache import Cache
from robosure.platform.client import HttpClient
from robosure.platform.database.session import Database
from robosure.platform.files import FileStorage, LocalFiles
from robosure.platform.mail import Mailer, mailer_from
from robosure.platform.settings import Settings


@dataclass(frozen=True)
class Runtime:
    """What a process stands on."""

    settings: Settings
    clock: Clock
    database: Database
    redis: Redis
    cache: Cache
    files: FileStorage
    mailer: Mailer
    http: HttpClient


@asynccontextmanager
async def open_runtime(
    settings: Settings, *, clock: Clock | None = None
) -> AsyncIterator[Runtime]:
    """Open what the settings name; connections are made when they are first used."""
    clock = clock or SystemClock()
    database = Database.from_settings(settings, clock=clock)
    redis = connect_redis(settings)
    try:
        async with HttpClient(settings) as http:
            yield Runtime(
                settings=settings,
                clock=clock,
                database=database,
                redis=redis,
                cache=Cache(redis),
                files=LocalFiles(settings.files_directory),
                mailer=mailer_from(settings),
                http=http,
            )
    finally:
        await redis.aclose()
        await database.close()


def connect_redis(settings: Settings) -> Redis:
    """Return a client that retries a lost connection for about a second."""
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 4),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        health_check_interval=15,
    )
