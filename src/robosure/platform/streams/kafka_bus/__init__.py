"""The event bus on Kafka: a stream is a topic, a group a consumer group of its own.

Kafka keeps order within a partition, gives each partition to one process of a group,
and keeps how far the group has got. That is committed when the effects are.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiokafka.structs import TopicPartition  # type: ignore[import-untyped]  # has no types

from robosure.platform.logging import LoggerMixin
from robosure.platform.streams.bus import Backlog, BusAwayError, Record, Work
from robosure.platform.streams.kafka_bus.connecting import (
    AWAY,
    Kafka,
    brokers_of,
    group_of,
    topic_of,
)
from robosure.platform.streams.kafka_bus.lane import KafkaLane
from robosure.platform.streams.kafka_bus.membership import Membership
from robosure.platform.streams.kafka_bus.metering import Meter
from robosure.platform.streams.kafka_bus.topics import Topics

__all__ = ["Kafka", "KafkaBus", "brokers_of", "topic_of"]

_LONGEST_PAUSE: Final = 2.0


class KafkaBus(LoggerMixin):
    """Streams in Kafka, as durable as its brokers are set to be: see `weaknesses`."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._topics = Topics(kafka)
        self._meter = Meter(self._topics)
        self._producer: Any = None
        self._starting = asyncio.Lock()

    async def declare(
        self,
        stream: str,
        group: str,  # noqa: ARG002 - Kafka knows a group when it first commits
        *,
        partitions: int = 1,
    ) -> None:
        """Make the topic; a group that has committed nothing begins at its start."""
        await self._topics.ensure(topic_of(stream), partitions)

    def append(self, *records: Record) -> asyncio.Future[None]:
        """Append, together with what else goes to the same broker meanwhile."""
        return asyncio.ensure_future(self._append(records))

    async def _append(self, records: Sequence[Record]) -> None:
        for record in records:
            topic, partitions = topic_of(record.stream), record.partition + 1
            if not self._topics.known(topic, partitions):
                await self._topics.ensure(topic, partitions)
                await self._forget_producer()  # it knows fewer partitions
        producer = await self._started()
        try:
            async with self._kafka.reaching():
                answers = [
                    await producer.send(
                        topic_of(record.stream),
                        record.value,
                        key=record.key,
                        partition=record.partition,
                    )
                    for record in records
                ]
                outcomes: list[Any] = await asyncio.gather(
                    *answers, return_exceptions=True
                )
                for outcome in outcomes:
                    if isinstance(outcome, BaseException):
                        raise outcome
        except BusAwayError as error:
            if not isinstance(error.__cause__, TimeoutError):
                await self._forget_producer(producer)
            raise

    async def serve(
        self,
        stream: str,
        group: str,
        *,
        partitions: int,
        work: Work,
        stop: asyncio.Event,
    ) -> None:
        """Be a member of the group, again and again, until stopped."""
        failures = 0
        while not stop.is_set():
            try:
                await self._topics.ensure(topic_of(stream), partitions)
                member = Membership(self._topics, stream, group, work)
                await member.last(stop)
            except BusAwayError as error:
                failures += 1
                self.logger.warning(
                    "platform.kafka.membership_postponed",
                    stream=stream,
                    consumer=group,
                    reason=str(error)[:300],
                )
                pause = min(_LONGEST_PAUSE, 0.1 * 2.0 ** min(failures, 10))
                with suppress(TimeoutError):
                    await asyncio.wait_for(
                        stop.wait(),
                        pause * random.uniform(0.5, 1.0),  # nosec B311 # noqa: S311 - jitter
                    )

    @asynccontextmanager
    async def lanes(
        self, stream: str, group: str, *, partitions: int
    ) -> AsyncIterator[Sequence[KafkaLane]]:
        """Own every lane outside of the group, which must have no member."""
        topic = topic_of(stream)
        await self._topics.ensure(topic, partitions)
        every = range(await self._topics.partitions(topic))
        consumer = self._kafka.consumer(group_of(stream, group))
        lanes: list[KafkaLane] = []
        try:
            async with self._kafka.reaching():
                await consumer.start()
            consumer.assign([TopicPartition(topic, partition) for partition in every])
            lanes += [
                KafkaLane(self._topics, consumer, stream, group, partition)
                for partition in every
            ]
            yield lanes
        finally:
            for lane in lanes:
                await lane.leave()
            with suppress(*AWAY):
                async with asyncio.timeout(self._kafka.patience_seconds):
                    await consumer.stop()

    async def backlog(
        self,
        stream: str,
        group: str,
        *,
        partitions: int,  # noqa: ARG002 - Kafka knows how many there are
    ) -> Backlog:
        """Count what the group has not acknowledged, also in partitions of before."""
        return await self._meter.backlog(stream, group)

    async def tidy(self, stream: str, *, partitions: int) -> None:
        """Leave that to Kafka, which drops what is older than the topic's retention."""

    async def weaknesses(self) -> Sequence[str]:
        """Compare the topics' settings with what a promise to keep events needs."""
        return await self._topics.weaknesses()

    async def fill(self) -> float:
        """Return that it is not a matter of memory."""
        return 0.0

    async def close(self) -> None:
        """Send what waits, and give every connection back."""
        await self._forget_producer()
        await self._meter.close()
        await self._topics.close()

    async def _started(self) -> Any:
        async with self._starting, self._kafka.reaching():
            if self._producer is None:
                producer = self._kafka.producer()
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _forget_producer(self, broken: Any = None) -> None:
        """Begin anew with the next append, unless somebody did already."""
        producer = self._producer
        if producer is None or (broken is not None and broken is not producer):
            return
        self._producer = None
        with suppress(*AWAY):
            async with asyncio.timeout(self._kafka.patience_seconds):
                await producer.stop()
