"""A partition of a topic, read for a group."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka.structs import TopicPartition  # type: ignore[import-untyped]  # has no types

from robosure.platform.logging import LoggerMixin
from robosure.platform.streams.bus import BusAwayError, Entry
from robosure.platform.streams.kafka_bus.connecting import (
    AWAY,
    away,
    group_of,
    topic_of,
)
from robosure.platform.streams.kafka_bus.topics import Topics

_OWNED: Final = "owned"
_AT_ONCE: Final = 1_000
"""About how many entries an owner may have had in hand when it died."""


class KafkaLane(LoggerMixin):
    """A partition that a consumer was given.

    What is committed is how far the group has acknowledged, and beside it, as the
    metadata that Kafka keeps with it, how far the owner had read when it left. Whoever
    dies leaves no such word, and the next owner takes what comes first for redelivered.
    """

    def __init__(
        self, topics: Topics, consumer: Any, stream: str, group: str, partition: int
    ) -> None:
        self._kafka = topics.kafka
        self._topics = topics
        self._consumer = consumer
        self._at = TopicPartition(topic_of(stream), partition)
        self._acknowledged: int | None = None
        self._position = 0
        self._given_until = 0
        self.stream = stream
        self.group = group
        self.partition = partition

    async def read(self, limit: int, *, wait: float = 0.0) -> Sequence[Entry]:
        """Return what comes after what was read; first of all, what was left."""
        if self._acknowledged is None:
            await self._take()
        if not wait:
            if not await self._holds_more():
                return []
            wait = self._kafka.patience_seconds / 2
        records = await self._fetch(limit, wait)
        entries = [
            Entry(
                position=str(record.offset),
                value=record.value,
                appended_at=record.timestamp / 1000,
                redelivered=record.offset < self._given_until,
            )
            for record in records
        ]
        if records:
            self._position = records[-1].offset + 1
            self._given_until = max(self._given_until, self._position)
        return entries

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Commit that the group is done with these and all before them."""
        if entries:
            done = int(entries[-1].position) + 1
            await self._commit(done, _OWNED)
            self._acknowledged = done

    def rewind(self) -> None:
        """Read again from the first that is not acknowledged."""
        if self._acknowledged is not None and self._acknowledged != self._position:
            with suppress(*AWAY):  # no longer ours; its work is told so
                self._seek(self._acknowledged)

    async def leave(self) -> None:
        """Leave word how far was read, for the next owner."""
        if self._acknowledged is not None:
            with suppress(BusAwayError):  # then it takes us for dead
                await self._commit(self._acknowledged, str(self._given_until))

    async def _take(self) -> None:
        """Find where the group is, and say that it is being worked on."""
        group = group_of(self.stream, self.group)
        committed = await self._topics.committed(
            group, self._at.topic, [self.partition]
        )
        offset, left = committed[self.partition]
        async with self._kafka.reaching():
            first = (await self._consumer.beginning_offsets([self._at]))[self._at]
            end = (await self._consumer.end_offsets([self._at]))[self._at]
        if 0 <= offset < first:
            self.logger.error(
                "platform.kafka.entries_lost",
                stream=self.stream,
                consumer=self.group,
                partition=self.partition,
                entries=first - offset,
            )
        begin = max(offset, first) if offset <= end else first
        if left == _OWNED:
            self._given_until = min(begin + _AT_ONCE, end)
        else:
            self._given_until = int(left or 0)
        await self._commit(begin, _OWNED)
        self._seek(begin)
        self._acknowledged = begin

    async def _holds_more(self) -> bool:
        async with self._kafka.reaching():
            ends: dict[Any, int] = await self._consumer.end_offsets([self._at])
        return self._position < ends[self._at]

    async def _fetch(self, limit: int, wait: float) -> list[Any]:
        """Fetch, or give up in time where the group is being rebalanced."""
        try:
            async with asyncio.timeout(wait):
                found = await self._consumer.getmany(
                    self._at, timeout_ms=round(wait * 1000), max_records=limit
                )
        except TimeoutError:
            return []
        except AWAY as error:
            raise away(error) from error
        return list(found.get(self._at, ()))

    async def _commit(self, offset: int, metadata: str) -> None:
        async with self._kafka.reaching():
            await self._consumer.commit({self._at: (offset, metadata)})

    def _seek(self, offset: int) -> None:
        self._position = offset
        self._consumer.seek(self._at, offset)
