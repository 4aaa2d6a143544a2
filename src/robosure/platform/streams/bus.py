"""The event bus: what a log of events must offer so that nothing accepted is lost.

A stream has partitions. Who reads does so as a group; each partition of a stream is,
for each group, a *lane* with one owner at a time, so that what one subject says is
handled in the order in which it was appended. Redis Streams and Kafka are behind this
port; the engine on top of it is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol
from zlib import crc32

from robosure.platform.metrics import STREAM_LAG, STREAM_OLDEST_SECONDS

INGEST: Final = "ingest"
"""The stream of events from outside."""
INGEST_GROUP: Final = "eventflow.ingest"
"""Who stores them, and gives them their effects."""


def events_of(context: str) -> str:
    """Return the stream to which a context's facts are relayed."""
    return f"events.{context}"


def partition_of(subject: str, partitions: int) -> int:
    """Return the partition on which everything about this subject travels."""
    return crc32(subject.encode()) % partitions


class BusAwayError(ConnectionError):
    """The bus does not answer; what was asked of it may be tried again as it is."""


class Record(NamedTuple):
    """What is appended to one partition of a stream.

    Attributes:
        key: whom it is about, for others who read along; it chooses no partition.
    """

    stream: str
    value: bytes
    partition: int = 0
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is read from a lane.

    Attributes:
        position: its place in the partition; unique there.
        appended_at: seconds since the epoch.
        redelivered: whether it may have been given out before.
    """

    position: str
    value: bytes
    appended_at: float
    redelivered: bool = False


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a group has not acknowledged yet.

    Attributes:
        entries: how many wait, or are being handled.
        oldest: when the oldest of them was appended; None if none waits.
    """

    entries: int
    oldest: datetime | None


def show_backlog(stream: str, group: str, backlog: Backlog) -> None:
    """Tell the metrics what waits for a group."""
    age = 0.0
    if backlog.oldest is not None:
        age = (datetime.now(UTC) - backlog.oldest).total_seconds()
    STREAM_LAG.labels(stream, group).set(backlog.entries)
    STREAM_OLDEST_SECONDS.labels(stream, group).set(max(0.0, age))


class Lane(Protocol):
    """One partition of a stream, owned for a group."""

    @property
    def stream(self) -> str:
        """Of which stream."""
        ...

    @property
    def group(self) -> str:
        """For which group."""
        ...

    @property
    def partition(self) -> int:
        """Which of the stream's partitions."""
        ...

    async def read(self, limit: int, *, wait: float = 0.0) -> Sequence[Entry]:
        """Return the next entries, in order; none if none came in time.

        A new owner is first given again what was given out and not acknowledged.

        Args:
            limit: at most so many.
            wait: for how long to wait for a first one, seconds.

        Raises:
            BusAwayError: the bus does not answer.
        """
        ...

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Say that these, the next of those read, have had their effects.

        Raises:
            BusAwayError: the bus does not answer.
        """
        ...

    def rewind(self) -> None:
        """Let the next read begin with what was not acknowledged."""
        ...


Work = Callable[[Lane, asyncio.Event], Awaitable[None]]
"""Handles a lane until the event is set, and then returns soon."""


class EventBus(Protocol):
    """A log of events, durable once it has answered."""

    async def declare(self, stream: str, group: str, *, partitions: int = 1) -> None:
        """Let the group have everything that the stream holds and will hold.

        Raises:
            BusAwayError: the bus does not answer.
        """
        ...

    def append(self, *records: Record) -> asyncio.Future[None]:
        """Begin to append; they are safe once that is done.

        Raises:
            BusAwayError: the bus does not answer, and they may or may not be there.
        """
        ...

    async def serve(
        self,
        stream: str,
        group: str,
        *,
        partitions: int,
        work: Work,
        stop: asyncio.Event,
    ) -> None:
        """Share the stream's lanes with other processes, and work on one's own.

        A lane is given up, when another process is to have it or at the end, only
        after its work has returned. Trouble with the bus is waited out.
        """
        ...

    def lanes(
        self, stream: str, group: str, *, partitions: int
    ) -> AbstractAsyncContextManager[Sequence[Lane]]:
        """Own every lane for a while, taking them from nobody: for drains and tests."""
        ...

    async def backlog(self, stream: str, group: str, *, partitions: int) -> Backlog:
        """Measure what waits.

        Raises:
            BusAwayError: the bus does not answer.
        """
        ...

    async def tidy(self, stream: str, *, partitions: int) -> None:
        """Drop what every group has acknowledged, where the bus leaves that to us.

        Raises:
            BusAwayError: the bus does not answer.
        """
        ...

    async def weaknesses(self) -> Sequence[str]:
        """Say, a sentence each, how accepted events could be lost; none is good.

        Raises:
            BusAwayError: the bus does not answer.
        """
        ...

    async def fill(self) -> float:
        """Return how full the bus's memory is, from 0 to 1; 0 where it has no limit.

        Raises:
            BusAwayError: the bus does not answer.
        """
        ...

    async def close(self) -> None:
        """Send what waits to be sent, and give every connection back."""
        ...
