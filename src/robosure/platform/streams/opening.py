"""Opening the bus that the settings name."""

from __future__ import annotations

from redis.asyncio import Redis

from robosure.platform.settings import Settings
from robosure.platform.streams.bus import EventBus
from robosure.platform.streams.kafka_bus import Kafka, KafkaBus
from robosure.platform.streams.redis_bus import RedisBus

_REDIS = "redis"
_MIB = 1024 * 1024


def open_bus(settings: Settings, redis: Redis) -> EventBus:
    """Return the installation's event bus; it connects when it is first used.

    Raises:
        ValueError: the setting names neither Redis nor Kafka.
    """
    name = settings.event_bus.get_secret_value()
    if name == _REDIS:
        return RedisBus(redis, memory_bytes=settings.event_memory_mb * _MIB)
    return KafkaBus(Kafka.from_url(name, ca_file=settings.ca_file))
