"""Events put into the store as the worker puts them there, without a stream."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.eventflow.repository import remember_robot
from robosure.contexts.eventflow.service.processing import EventProcessor
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database, WriteSession
from robosure.platform.streams.ingest import Batch, key_of, read, written

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SENDER = uuid7()


def an_event(
    number: int, *, robot: UUID, at: datetime = NOON, **changes: Any
) -> dict[str, Any]:
    """A valid event of a robot, so many seconds after a moment."""
    time = at + timedelta(seconds=number)
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": f"/robots/{robot}",
        "type": TELEMETRY_TYPE,
        "subject": str(robot),
        "time": time.isoformat(),
        "data": {"cycle": number},
        **changes,
    }


def uid_of(event: dict[str, Any]) -> UUID:
    return key_of(event["subject"], event["source"], event["id"])


def a_batch(
    *, correlation_id: str | None = "request-1", received_at: datetime = NOON
) -> Batch:
    return Batch(uuid7(), correlation_id, received_at, SENDER)


async def take(
    session: WriteSession,
    events: Sequence[dict[str, Any]],
    *,
    batch: Batch | None = None,
    part: int = 0,
) -> Batch:
    """Store the events in a transaction that is open."""
    batch = batch or a_batch()
    await EventProcessor([]).apply(session, read(written(batch, part, events)))
    return batch


async def store(
    database: Database,
    events: Sequence[dict[str, Any]],
    *,
    batch: Batch | None = None,
    part: int = 0,
) -> Batch:
    """Store the events in a transaction of their own."""
    async with database.write() as session:
        return await take(session, events, batch=batch, part=part)


async def a_robot(
    database: Database, *, operator: UUID, maker: UUID | None = None
) -> UUID:
    """A robot that is known here, of that operator."""
    robot = uuid7()
    async with database.write() as session:
        await remember_robot(
            session, robot, operator_id=operator, manufacturer_id=maker or uuid7()
        )
    return robot


async def drop_days(database: Database) -> None:
    """Let no day have a partition."""
    async with database.write() as session:
        names = await session.execute(
            text(
                "SELECT relname FROM pg_class WHERE relkind = 'r' "
                "AND relnamespace = CAST('eventflow_days' AS regnamespace) "
                "AND relname NOT LIKE '%_default'"
            )
        )
        for name in names.scalars().all():
            await session.execute(text(f"DROP TABLE eventflow_days.{name}"))


async def places(database: Database) -> dict[str, int]:
    """Return how many events each partition holds."""
    statement = text(
        "SELECT CAST(CAST(tableoid AS regclass) AS text), count(*) "
        "FROM eventflow.events GROUP BY 1"
    )
    async with database.read() as session:
        return dict(iter(await session.execute(statement)))
