"""A cache on Redis: explicit keys, explicit invalidation; without Redis it loads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from robosure.platform.logging import LoggerMixin

T = TypeVar("T")
Loader = Callable[..., Awaitable[T]]
_PREFIX: Final = "robosure:cache:"


class Cache(LoggerMixin):
    """Values by key, written as JSON, forgotten after their time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def fetch(
        self,
        key: str,
        load: Callable[[], Awaitable[T]],
        *,
        type_: Any,
        ttl: timedelta,
    ) -> T:
        """Return what is kept under the key, or load it and keep it.

        While Redis is away everything is loaded.
        """
        adapter: TypeAdapter[T] = TypeAdapter(type_)
        try:
            kept = await self._redis.get(_PREFIX + key)
        except RedisError as error:
            self.logger.warning("platform.cache.read_failed", reason=str(error))
            return await load()
        if kept is not None:
            try:
                return adapter.validate_json(kept)
            except ValidationError:  # kept by another version of this code
                self.logger.info("platform.cache.shape_changed", key=key)
        value = await load()
        try:
            await self._redis.set(_PREFIX + key, adapter.dump_json(value), px=ttl)
        except RedisError as error:
            self.logger.warning("platform.cache.write_failed", reason=str(error))
        return value

    async def invalidate(self, *keys: str) -> None:
        """Forget these keys; call it after the commit that changed what they hold."""
        if keys:
            await self._redis.delete(*(_PREFIX + key for key in keys))


def cached(key: str, *, type_: Any, ttl: timedelta) -> Callable[[Loader[T]], Loader[T]]:
    """Cache what a coroutine function returns.

    The function's first argument is the :class:`Cache`; ``key`` is formatted with its
    keyword arguments: ``@cached("catalog:products:{code}", type_=Product, ttl=...)``.
    """

    def decorate(load: Loader[T]) -> Loader[T]:
        @wraps(load)
        async def wrapper(cache: Cache, *args: Any, **named: Any) -> T:
            return await cache.fetch(
                key.format_map(named),
                lambda: load(cache, *args, **named),
                type_=type_,
                ttl=ttl,
            )

        return wrapper

    return decorate
