"""Events to send, and workers to process them with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import Table, select

from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.eventflow.service.processing import EventProcessor
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database, WriteSession
from robosure.platform.streams import Batch, BatchHandler, StreamEvent
from robosure.platform.streams.ingest import IngestWorker

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
ROBOT = uuid7()


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


def stream_event(number: int, *, subject: UUID = ROBOT, **data: Any) -> StreamEvent:
    return StreamEvent(
        source=f"/robots/{subject}",
        id=f"event-{number:05}",
        type=TELEMETRY_TYPE,
        subject=str(subject),
        time=AT + timedelta(seconds=number),
        data=data or {"cycle": number},
        received_at=AT,
    )


def a_batch(events: Sequence[StreamEvent], *, batch_id: UUID | None = None) -> Batch:
    return Batch(batch_id or uuid7(), events, "request-1", AT, ROBOT)


@dataclass
class Recorder:
    """A batch handler that remembers what it was given, and may fail on some.

    Attributes:
        seen: ids of the events whose effects were committed.
        first: what it does first, whenever it is called.
    """

    fails_on: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
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
        ids = [event.id for event in events]

        async def committed() -> None:
            self.seen.extend(ids)

        session.after_commit(committed)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def a_worker(
    database: Database, redis: Redis, recorder: Recorder
) -> Callable[..., IngestWorker]:
    def make(name: str = "worker-1", attempts: int = 1) -> IngestWorker:
        handler = BatchHandler(TELEMETRY_TYPE, recorder.handle)
        processor = EventProcessor([handler])
        return IngestWorker(
            database,
            redis,
            process=processor.process,
            record_failure=processor.record_failure,
            name=name,
            attempts=attempts,
        )

    return make


async def rows(database: Database, table: Table) -> list[Any]:
    async with database.read() as session:
        return list((await session.execute(select(table))).all())


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await true():  # noqa: ASYNC110 - what is waited for is elsewhere
            await asyncio.sleep(0.02)
