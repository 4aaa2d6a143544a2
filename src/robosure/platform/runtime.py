"""The runtime: what a process needs to do business, opened once and closed once."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from robosure.kernel.time import Clock, SystemClock
from robosure.platform.cache import Cache
from robosure.platform.client import HttpClient
from robosure.platform.database.session import Database
from robosure.platform.files import FileStorage, LocalFiles
from robosure.platform.logging import get_logger
from robosure.platform.mail import Mailer, mailer_from
from robosure.platform.password_files import RedisPasswordFile, without_credentials
from robosure.platform.settings import Settings
from robosure.platform.streams.bus import EventBus
from robosure.platform.streams.opening import open_bus
from robosure.platform.tls.services import unprotected
from robosure.platform.tls.trust import trust_of_redis

_YOUNG_OBJECTS: Final = 50_000


@dataclass(frozen=True)
class Runtime:
    """What a process stands on."""

    settings: Settings
    clock: Clock
    database: Database
    redis: Redis
    bus: EventBus
    cache: Cache
    files: FileStorage
    mailer: Mailer
    http: HttpClient


@asynccontextmanager
async def open_runtime(
    settings: Settings, *, clock: Clock | None = None, patience: float | None = None
) -> AsyncIterator[Runtime]:
    """Open what the settings name; connections are made when they are first used.

    Args:
        settings: the installation's.
        clock: the machine's by default.
        patience: seconds that are waited for each answer of the database; None is for
            good.
    """
    clock = clock or SystemClock()
    warn_of_unprotected(settings)
    database = Database.from_settings(settings, clock=clock, patience=patience)
    redis = connect_redis(settings)
    bus = open_bus(settings, redis)
    try:
        async with HttpClient(settings) as http:
            yield Runtime(
                settings=settings,
                clock=clock,
                database=database,
                redis=redis,
                bus=bus,
                cache=Cache(redis),
                files=LocalFiles(settings.files_directory),
                mailer=mailer_from(settings),
                http=http,
            )
    finally:
        await bus.close()
        await redis.aclose()
        await database.close()


def warn_of_unprotected(settings: Settings) -> None:
    """Log which services production is told to reach without checked TLS."""
    if settings.environment == "production":
        for service, remedy in unprotected(settings).items():
            get_logger().warning(
                "platform.tls.service_unprotected", service=service, remedy=remedy
            )


def settle() -> None:
    """Let the garbage collector pass over what this process has made so far.

    Modules, routes and schemas live as long as the process. To look at their hundreds
    of thousands of objects, whenever so many events have come and gone, took longer
    than the events; and what is short-lived is looked at when there is more of it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def connect_redis(settings: Settings) -> Redis:
    """Return a client that retries a lost connection for about a second."""
    url, credentials = settings.redis_url.get_secret_value(), redis_password(settings)
    redis = Redis.from_url(
        without_credentials(url) if credentials else url,
        credential_provider=credentials,
        **trust_of_redis(url, settings.ca_file),
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 4),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        health_check_interval=15,
    )
    pool = redis.connection_pool
    of_tls = issubclass(pool.connection_class, SSLConnection)
    pool.connection_class = _TlsConnection if of_tls else _PlainConnection
    return redis


def redis_password(settings: Settings) -> RedisPasswordFile | None:
    """Return what tells the password for each new connection; None if the URL does."""
    path = settings.redis_password_file
    url = settings.redis_url.get_secret_value()
    return RedisPasswordFile(path, url) if path else None


class _Sending:
    """A connection that says so when it was closed under it.

    uvloop's transports raise RuntimeError then, which nobody takes for an outage.
    """

    async def send_packed_command(self, *arguments: Any, **options: Any) -> None:
        try:
            await super().send_packed_command(*arguments, **options)  # type: ignore[misc]  # of a connection beside it
        except RuntimeError as error:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # also of that
            raise RedisConnectionError(str(error)) from error


class _PlainConnection(_Sending, Connection):
    """Over TCP."""


class _TlsConnection(_Sending, SSLConnection):
    """Over TLS."""
