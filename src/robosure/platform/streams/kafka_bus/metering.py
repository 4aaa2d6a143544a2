"""Measuring what waits: from what is committed to the end of each partition."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aiokafka.structs import TopicPartition  # type: ignore[import-untyped]

from robosure.platform.streams.bus import Backlog
from robosure.platform.streams.kafka_bus.connecting import (
    AWAY,
    group_of,
    topic_of,
)
from robosure.platform.streams.kafka_bus.topics import Topics


class Meter:
    """Reads beside the groups, and belongs to none."""

    def __init__(self, topics: Topics) -> None:
        self._kafka = topics.kafka
        self._topics = topics
        self._consumer: Any = None
        self._measuring = asyncio.Lock()

    async def backlog(self, stream: str, group: str) -> Backlog:
        """Count what the group has not acknowledged, in every partition there is.

        Raises:
            BusAwayError: Kafka does not answer.
        """
        topic = topic_of(stream)
        partitions = list(range(await self._topics.partitions(topic)))
        if not partitions:
            return Backlog(0, None)
        name = group_of(stream, group)
        committed = await self._topics.committed(name, topic, partitions)
        every = [TopicPartition(topic, partition) for partition in partitions]
        async with self._measuring, self._kafka.reaching():
            consumer = await self._started()
            firsts: dict[Any, int] = await consumer.beginning_offsets(every)
            ends: dict[Any, int] = await consumer.end_offsets(every)
            waiting = {
                each: max(committed[each.partition].offset, firsts[each])
                for each in every
            }
            waiting = {each: at for each, at in waiting.items() if at < ends[each]}
            oldest = [
                await _appended_at(consumer, each, waiting[each]) for each in waiting
            ]
        return Backlog(
            entries=sum(ends[each] - at for each, at in waiting.items()),
            oldest=datetime.fromtimestamp(min(oldest) / 1000, UTC) if oldest else None,
        )

    async def close(self) -> None:
        """Give the connection back."""
        if self._consumer is not None:
            with suppress(*AWAY):
                async with asyncio.timeout(self._kafka.patience_seconds):
                    await self._consumer.stop()
            self._consumer = None

    async def _started(self) -> Any:
        if self._consumer is None:
            consumer = self._kafka.consumer()
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer


async def _appended_at(consumer: Any, at: TopicPartition, offset: int) -> int:
    """Return when an entry was appended, in ms since the epoch."""
    consumer.assign([at])
    consumer.seek(at, offset)
    try:
        record = await consumer.getone(at)
    finally:
        consumer.unsubscribe()
    return int(record.timestamp)
