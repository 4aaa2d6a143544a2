"""Batches of events: what they are, and how they travel.

A batch is split by its events' subjects over the partitions of the stream; each part is
one entry. What travels is JSON, with the events as the CloudEvents they came as.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b, sha256
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast
from uuid import UUID, uuid5

import msgspec
import orjson

from robosure.kernel.errors import Unavailable
from robosure.kernel.ids import uuid7
from robosure.platform.database.session import WriteSession
from robosure.platform.metrics import EVENTS_RECEIVED, Tally
from robosure.platform.streams.bus import (
    INGEST,
    BusAwayError,
    EventBus,
    Record,
    partition_of,
)

E = TypeVar("E")
# asyncpg's ids are a class of their own, which msgspec does not know.
_write: Final = msgspec.json.Encoder(enc_hook=str).encode
_RECEIVED: Final = Tally(EVENTS_RECEIVED.labels(INGEST))


class StreamEvent(NamedTuple):
    """One event from outside, validated.

    Attributes:
        key: which event it is, of its subject, source and id: 32 hexadecimal digits,
            for tens of thousands of them are read in a second, and few become a UUID.
        subject: what it is about, such as a robot's id in its canonical form.
        content: canonical JSON of its type, on one line; it is stored and handed on as
            it is, and read by whoever needs to know what it says.
        received_at: when its batch came in; ``time`` is when it happened.
    """

    key: str
    source: str
    id: str
    type: str
    subject: str
    time: datetime
    content: bytes
    received_at: datetime

    @property
    def data(self) -> dict[str, Any]:
        """What it says, read anew each time."""
        data: dict[str, Any] = orjson.loads(self.content)
        return data


class Batch(NamedTuple):
    """Events accepted together.

    Attributes:
        principal: who sent them.
    """

    batch_id: UUID
    correlation_id: str | None
    received_at: datetime
    principal: UUID | None = None


class Incoming(NamedTuple):
    """An event on its way to be processed, and the part of a batch it came in.

    Attributes:
        part: the partition on which it came.
        size: how many events the part has.
        time: the event's, as it was sent.
        entry: the part as it travelled.
        place: the event's in it.
    """

    batch: Batch
    part: int
    size: int
    event: StreamEvent
    time: str
    entry: bytes
    place: int

    @property
    def cloud_event(self) -> Mapping[str, Any]:
        """The whole event as it came, read anew each time."""
        found: Mapping[str, Any] = orjson.loads(self.entry)["events"][self.place]
        return found


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
    digest = sha256()
    for part in content:
        digest.update(b"%d:" % len(part) + part)
    return uuid5(principal, f"{key}\n{digest.hexdigest()}")


def key_of(subject: str, source: str, id_: str) -> UUID:
    """Return which event it is: 128 bits of a hash over what identifies it."""
    return UUID(_digits_of(subject, source, id_))


def _digits_of(subject: str, source: str, id_: str) -> str:
    text = f"{subject}\n{source}\n{id_}"
    return blake2b(text.encode(), digest_size=16).hexdigest()


async def append(
    bus: EventBus,
    batch: Batch,
    events: Sequence[Mapping[str, Any]],
    *,
    partitions: int,
) -> None:
    """Append the batch to the stream; it is accepted once this returns.

    Args:
        bus: where to.
        batch: how they were accepted.
        events: CloudEvents in JSON, valid, with the subject in canonical form.
        partitions: of the stream.

    Raises:
        Unavailable: the bus does not answer; the sender must send it again.
    """
    parts: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        parts[partition_of(event["subject"], partitions)].append(event)
    await append_parts(bus, batch, parts)


async def append_parts(
    bus: EventBus, batch: Batch, parts: Mapping[int, Sequence[object]]
) -> None:
    """Append a batch that is split by its events' subjects already.

    Args:
        bus: where to.
        batch: how they were accepted.
        parts: by partition, CloudEvents as anything that msgspec writes as one.

    Raises:
        Unavailable: the bus does not answer; the sender must send it again.
    """
    try:
        await appending(bus, batch, parts)
    except BusAwayError as error:
        raise not_taken() from error


def appending(
    bus: EventBus, batch: Batch, parts: Mapping[int, Sequence[object]]
) -> asyncio.Future[None]:
    """Begin to append a batch as :func:`append_parts` does.

    It fails with `BusAwayError`, of which the sender is told as :func:`not_taken`.
    """
    count = sum(map(len, parts.values()))

    def taken(done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is None:
            _RECEIVED.add(count)

    done = bus.append(
        *[
            Record(INGEST, written(batch, part, events), part)
            for part, events in parts.items()
        ]
    )
    done.add_done_callback(taken)
    return done


def not_taken() -> Unavailable:
    """Return what a sender is told whose events may not have been taken in."""
    return Unavailable("ingest_unavailable")


def written(batch: Batch, part: int, events: Sequence[object]) -> bytes:
    """Write a part of a batch as it travels."""
    batch_id, correlation_id, received_at, principal = batch
    return _write(_Part(batch_id, part, received_at, correlation_id, principal, events))


class _CloudEvent(msgspec.Struct, gc=False):
    id: str
    source: str
    type: str
    subject: str
    time: str
    data: msgspec.Raw


class _Part(msgspec.Struct, Generic[E], gc=False):
    batch_id: UUID
    part: int
    received_at: datetime
    correlation_id: str | None
    principal: UUID | None
    events: Sequence[E]


_parts: Final = msgspec.json.Decoder(_Part[_CloudEvent])


def read(value: bytes) -> list[Incoming]:
    """Read a part of a batch back.

    Raises:
        ValueError, msgspec.MsgspecError: it is none of ours.
    """
    part = _parts.decode(value)
    batch = Batch(part.batch_id, part.correlation_id, part.received_at, part.principal)
    number, size, received_at = part.part, len(part.events), part.received_at
    moment = datetime.fromisoformat
    # All that a named tuple's own does, and does slower.
    new = cast("Any", tuple).__new__
    return [
        new(
            Incoming,
            (
                batch,
                number,
                size,
                new(
                    StreamEvent,
                    (
                        _digits_of(each.subject, each.source, each.id),
                        each.source,
                        each.id,
                        each.type,
                        each.subject,
                        moment(each.time),
                        bytes(each.data),
                        received_at,
                    ),
                ),
                each.time,
                value,
                place,
            ),
        )
        for place, each in enumerate(part.events)
    ]
