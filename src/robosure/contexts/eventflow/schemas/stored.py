"""What eventflow answers about stored events: themselves, their way, their archives."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from robosure.contexts.eventflow.schemas.telemetry import SAMPLE
from robosure.platform.http import OutputModel

_BATCH: Final = "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f"
_STORED: Final[dict[str, Any]] = {
    "uid": "6f3c1a52-8e0d-5b7a-9c41-2d7e8f901234",
    **{key: SAMPLE[key] for key in ("source", "id", "type", "subject", "time", "data")},
    "received_at": "2026-03-02T08:17:22.104Z",
    "batch_id": _BATCH,
}


class EventOut(OutputModel):
    """An event that was processed."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STORED]})

    uid: UUID = Field(description="Ours, and always the same for this event.")
    source: str
    id: str = Field(description="The sender's; unique for the subject and source.")
    type: str
    subject: UUID
    time: datetime
    data: dict[str, Any]
    received_at: datetime
    batch_id: UUID | None = Field(description="With which it came; null if not known.")


class ReceptionOut(OutputModel):
    """When and with what an event came in."""

    at: datetime
    batch_id: UUID | None = Field(description="As the receipt says.")
    part: int | None = Field(description="A batch is processed in parts; which one.")
    principal: UUID | None = Field(description="The user or API key that sent it.")
    correlation_id: str | None = Field(description="The request's `X-Request-ID`.")


class ProcessingOut(OutputModel):
    """When the part of the batch was processed, and what became of its events."""

    at: datetime
    latency_ms: float = Field(description="Milliseconds since it was received.")
    events: int = Field(description="In this part of the batch.")
    stored: int
    repeated: int


class TraceLetterOut(OutputModel):
    """A failure that was put aside."""

    id: UUID = Field(description="Of the dead letter.")
    consumer: str
    status: str
    error: str
    attempts: int
    first_failed_at: datetime
    failed_at: datetime
    retry_at: datetime | None
    settled_at: datetime | None


class HandlingOut(OutputModel):
    """What a consumer did with a fact."""

    consumer: str
    at: datetime


class TraceFactOut(OutputModel):
    """A fact that was told: in an event's course, or next about its robot."""

    event_id: UUID
    type: str
    occurred_at: datetime
    published_at: datetime | None = Field(description="Null while it waits.")
    handled: list[HandlingOut] = Field(description="By whom, and when.")
    dead_letters: list[TraceLetterOut]


class TraceOut(OutputModel):
    """The way of one event, from its receipt to its effects."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "uid": _STORED["uid"],
                    "source": SAMPLE["source"],
                    "id": SAMPLE["id"],
                    "type": SAMPLE["type"],
                    "subject": SAMPLE["subject"],
                    "time": SAMPLE["time"],
                    "outcome": "stored",
                    "received": {
                        "at": _STORED["received_at"],
                        "batch_id": _BATCH,
                        "part": 2,
                        "principal": "01928f6e-5a3c-7d21-9b4e-000000000001",
                        "correlation_id": "req-42",
                    },
                    "processed": {
                        "at": "2026-03-02T08:17:22.131Z",
                        "latency_ms": 27.0,
                        "events": 100,
                        "stored": 99,
                        "repeated": 1,
                    },
                    "dead_letters": [],
                    "facts": [],
                    "next_facts": [
                        {
                            "event_id": "01928f6e-5a3c-7d21-9b4e-000000000002",
                            "type": "risk.RobotScored",
                            "occurred_at": "2026-03-02T08:17:22.130Z",
                            "published_at": "2026-03-02T08:17:22.140Z",
                            "handled": [
                                {
                                    "consumer": "policies",
                                    "at": "2026-03-02T08:17:22.163Z",
                                }
                            ],
                            "dead_letters": [],
                        }
                    ],
                }
            ]
        }
    )

    uid: UUID
    source: str | None
    id: str
    type: str
    subject: str
    time: datetime
    outcome: Literal["stored", "failed", "discarded"]
    received: ReceptionOut
    processed: ProcessingOut | None = Field(
        description="Null if it failed, or was stored before batches were kept."
    )
    dead_letters: list[TraceLetterOut]
    facts: list[TraceFactOut] = Field(
        description="Told under the correlation id of the request; up to 100."
    )
    next_facts: list[TraceFactOut] = Field(
        description="What was told next about the robot, the first of each type among "
        "20: the score that follows the event, and, for insurers, what else was told. "
        "A score that stays the same is not told."
    )


class ArchiveOut(OutputModel):
    """A file of events that left the store."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _BATCH,
                    "type": SAMPLE["type"],
                    "first_day": "2025-01-25",
                    "last_day": "2025-01-25",
                    "events": 864000,
                    "size": 31337421,
                    "sha256": "9c1185a5c5e9fc54612808977ee8f548b2258d31"
                    "b0b2f5e8f7c6a1d2e3f40516",
                    "archived_at": "2026-03-02T03:00:12.210Z",
                    "dropped_at": "2026-03-02T03:00:14.912Z",
                }
            ]
        }
    )

    id: UUID
    type: str
    first_day: date = Field(description="The earliest day of its events, in UTC.")
    last_day: date
    events: int
    size: int = Field(description="Bytes of the file.")
    sha256: str = Field(description="Of the file.")
    archived_at: datetime
    dropped_at: datetime | None = Field(
        description="When the events left the store; null while they are there."
    )
