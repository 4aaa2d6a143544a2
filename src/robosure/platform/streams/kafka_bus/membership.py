"""Membership of a group: the lanes that one process is given, until a rebalance.

A lane is handled from when Kafka assigns it until Kafka revokes it. A rebalance goes on
only when the work on what is revoked has returned, so that no lane has two owners.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from aiokafka import TopicPartition  # type: ignore[import-untyped]
from aiokafka.abc import ConsumerRebalanceListener  # type: ignore[import-untyped]

from robosure.platform.logging import LoggerMixin
from robosure.platform.streams.bus import Work
from robosure.platform.streams.kafka_bus.connecting import (
    AWAY,
    away,
    group_of,
    topic_of,
)
from robosure.platform.streams.kafka_bus.lane import KafkaLane
from robosure.platform.streams.kafka_bus.topics import Topics

_LONGEST_GOODBYE: Final = 45.0
"""Seconds that work may take to return; the group waits for longer than that."""
_SIGN_OF_LIFE_SECONDS: Final = 1.0
_FETCH_WAIT_MS: Final = 100
_NO_PARTITION: Final = -1


class Membership(ConsumerRebalanceListener, LoggerMixin):  # type: ignore[misc]  # has no types
    """One process among those that share a stream for a group."""

    def __init__(self, topics: Topics, stream: str, group: str, work: Work) -> None:
        self._kafka = topics.kafka
        self._topics = topics
        self._stream = stream
        self._group = group
        self._work = work
        self._consumer: Any = None
        self._owned: dict[asyncio.Task[None], asyncio.Event] = {}
        self._failed = asyncio.Event()
        self._failures: list[BaseException] = []
        self._leaving = False

    async def last(self, stop: asyncio.Event) -> None:
        """Work on what is assigned, until stopped.

        Raises:
            BusAwayError: the membership is over; another may be begun.
            Exception: what the work on a lane died of.
        """
        self._consumer = self._kafka.consumer(
            group_of(self._stream, self._group), fetch_wait_ms=_FETCH_WAIT_MS
        )
        self._consumer.subscribe([topic_of(self._stream)], listener=self)
        try:
            async with self._kafka.reaching():
                await self._consumer.start()
            while not stop.is_set() and not self._failed.is_set():
                await self._show_life()
                await _first_of(stop, self._failed)
        finally:
            await asyncio.shield(self._leave())
        if self._failures:
            raise self._failures[0]

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]  # may be awaited
        self, assigned: Iterable[TopicPartition]
    ) -> None:
        """Begin to work on what is assigned."""
        if self._leaving:
            return
        for each in assigned:
            released = asyncio.Event()
            task = asyncio.create_task(self._own(each.partition, released))
            self._owned[task] = released
            task.add_done_callback(self._ended)

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]  # may be awaited
        self,
        revoked: Iterable[TopicPartition],  # noqa: ARG002 - always all of them
    ) -> None:
        """Let the work return first; the group waits for that."""
        late = await self._release(_LONGEST_GOODBYE)
        for task in late:
            self.logger.error(
                "platform.kafka.release_failed",
                stream=self._stream,
                consumer=self._group,
                seconds=_LONGEST_GOODBYE,
            )
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _own(self, partition: int, released: asyncio.Event) -> None:
        lane = KafkaLane(
            self._topics, self._consumer, self._stream, self._group, partition
        )
        await self._work(lane, released)
        await lane.leave()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._owned[task]
        if not task.cancelled() and (error := task.exception()):
            self._failures.append(error)
            self._failed.set()

    async def _show_life(self) -> None:
        """Poll for nothing: who only waits, or works for long, is not given up."""
        nothing = TopicPartition(topic_of(self._stream), _NO_PARTITION)
        try:
            async with asyncio.timeout(_SIGN_OF_LIFE_SECONDS):
                await self._consumer.getmany(nothing)
        except TimeoutError:
            pass  # being rebalanced
        except AWAY as error:
            raise away(error) from error

    async def _release(self, seconds: float | None) -> set[asyncio.Task[None]]:
        for released in self._owned.values():
            released.set()
        if not self._owned:
            return set()
        _, late = await asyncio.wait(list(self._owned), timeout=seconds)
        return late

    async def _leave(self) -> None:
        self._leaving = True
        await self._release(None)
        with suppress(*AWAY):
            async with asyncio.timeout(self._kafka.patience_seconds):
                await self._consumer.stop()


async def _first_of(*events: asyncio.Event) -> None:
    """Wait until one of them is set, or it is time for a sign of life."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(
        waits, timeout=_SIGN_OF_LIFE_SECONDS, return_when=asyncio.FIRST_COMPLETED
    )
    for wait in waits:
        wait.cancel()
