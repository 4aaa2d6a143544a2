"""Events to send, and workers to process them with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, select

from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.eventflow.service.processing import EventProcessor
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database, WriteSession
from robosure.platform.runtime import Runtime
from robosure.platform.streams import (
    Batch,
    BatchHandler,
    EventBus,
    Reader,
    StreamEvent,
    engine,
)
from robosure.platform.streams.ingest import append

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
ROBOT = uuid7()
PARTITIONS = 4


def cloud_event(number: int = 0, **changes: Any) -> dict[str, Any]:
    at = AT + timedelta(seconds=number)
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": "/cells/4",
        "type": TELEMETRY_TYPE,
        "subject": str(ROBOT),
        "time": at.isoformat().replace("+00:00", "Z"),
        "data": {"speed": number / 4},
        **changes,
    }


def an_event(number: int, *, subject: UUID = ROBOT, **data: Any) -> dict[str, Any]:
    """Write an event as a robot's own gateway sends it."""
    return cloud_event(
        number,
        id=f"event-{number:05}",
        source=f"/robots/{subject}",
        subject=str(subject),
        data=data or {"cycle": number},
    )


@dataclass(frozen=True)
class Sending:
    """Puts accepted batches on the stream."""

    bus: EventBus

    async def __call__(
        self, *events: dict[str, Any], batch_id: UUID | None = None
    ) -> None:
        batch = Batch(batch_id or uuid7(), "request-1", AT, ROBOT)
        await append(self.bus, batch, events, partitions=PARTITIONS)


@dataclass
class Recorder:
    """A batch handler that remembers what it was given, and may fail on some.

    Attributes:
        seen: subject and id of the events whose effects were committed.
        first: what it does first, whenever it is called.
    """

    fails_on: set[str] = field(default_factory=set)
    seen: list[tuple[str, str]] = field(default_factory=list)
    calls: int = 0
    first: Callable[[WriteSession], Awaitable[None]] | None = None

    async def handle(
        self, session: WriteSession, events: Sequence[StreamEvent]
    ) -> None:
        self.calls += 1
        if self.first is not None:
            await self.first(session)
        for event in events:
            if event.id in self.fails_on:
                message = f"poisoned by {event.id}"
                raise ValueError(message)
        ids = [(event.subject, event.id) for event in events]

        async def committed() -> None:
            self.seen.extend(ids)

        session.after_commit(committed)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def bus(runtime: Runtime) -> EventBus:
    return runtime.bus


@pytest.fixture
def send(bus: EventBus) -> Sending:
    return Sending(bus)


@pytest.fixture
def processor(recorder: Recorder) -> EventProcessor:
    return EventProcessor([BatchHandler(TELEMETRY_TYPE, recorder.handle)])


@pytest.fixture
def a_reader(
    database: Database,
    bus: EventBus,
    processor: EventProcessor,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Reader]:
    monkeypatch.setattr(engine, "_WAIT_SECONDS", 0.02)

    def make(*, attempts: int = 1) -> Reader:
        return Reader(
            bus, database, processor, attempts=attempts, partitions=PARTITIONS
        )

    return make


async def rows(database: Database, table: Table) -> list[Any]:
    async with database.read() as session:
        return list((await session.execute(select(table))).all())


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await true():  # noqa: ASYNC110 - what is waited for is elsewhere
            await asyncio.sleep(0.02)
