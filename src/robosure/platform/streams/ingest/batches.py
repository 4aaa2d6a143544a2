"""Batches of events: what they are, and how they are written to the stream."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from robosure.kernel.errors import Unavailable
from robosure.kernel.ids import uuid7
from robosure.platform.database.session import WriteSession
from robosure.platform.metrics import EVENTS_RECEIVED
from robosure.platform.streams.keys import INGEST

FIELD: Final = b"batch"
"""The field of a stream entry that holds the batch."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event from outside, validated. ``(source, id)`` says which it is.

    Attributes:
        subject: what it is about, such as a robot's id.
        data: canonical JSON of its type.
        received_at: when its batch came in; ``time`` is when it happened.
    """

    source: str
    id: str
    type: str
    subject: str
    time: datetime
    data: dict[str, Any]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """Events accepted together.

    Attributes:
        principal: who sent them.
    """

    batch_id: UUID
    events: Sequence[StreamEvent]
    correlation_id: str | None
    received_at: datetime
    principal: UUID | None = None


@dataclass(frozen=True)
class BatchHandler:
    """What a context does with new events of a type, as they are being stored."""

    event_type: str
    handle: Callable[[WriteSession, Sequence[StreamEvent]], Awaitable[None]]


def identify(principal: UUID, key: str | None, *content: bytes) -> UUID:
    """Return a batch's id: of the sender's ``Idempotency-Key``, or else a new one.

    The content counts in, so that a key used again for something else cannot make that
    disappear.

    Args:
        principal: who sends it.
        key: the header's value, if there is one.
        content: what makes the request this request: path, query and body.
    """
    if key is None:
        return uuid7()
    digest = hashlib.sha256()
    for part in content:
        digest.update(b"%d:" % len(part) + part)
    return uuid5(principal, f"{key}\n{digest.hexdigest()}")


async def append(redis: Redis, batch: Batch) -> None:
    """Append the batch to the stream; it is accepted once this returns.

    Raises:
        Unavailable: Redis does not answer.
    """
    try:
        await redis.xadd(INGEST, {FIELD: _written(batch)})
    except (RedisError, OSError) as error:
        raise Unavailable("ingest_unavailable") from error
    EVENTS_RECEIVED.labels(INGEST).inc(len(batch.events))


def _written(batch: Batch) -> bytes:
    events = [
        (event.source, event.id, event.type, event.subject, event.time, event.data)
        for event in batch.events
    ]
    return orjson.dumps(
        {
            # As text, for asyncpg's ids are a class of their own.
            "batch_id": str(batch.batch_id),
            "received_at": batch.received_at,
            "correlation_id": batch.correlation_id,
            "principal": batch.principal and str(batch.principal),
            "events": events,
        }
    )


def read(fields: dict[bytes, bytes]) -> Batch:
    """Read a stream entry back.

    Raises:
        KeyError, TypeError, ValueError: it is none of ours.
    """
    document: dict[str, Any] = orjson.loads(fields[FIELD])
    received_at = datetime.fromisoformat(document["received_at"])
    principal = document["principal"]
    return Batch(
        batch_id=UUID(document["batch_id"]),
        events=[
            StreamEvent(
                source,
                id_,
                type_,
                subject,
                datetime.fromisoformat(at),
                data,
                received_at,
            )
            for source, id_, type_, subject, at, data in document["events"]
        ],
        correlation_id=document["correlation_id"],
        received_at=received_at,
        principal=None if principal is None else UUID(principal),
    )
