"""Dead letters over HTTP: what they show, and what is asked about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

import orjson
from pydantic import ConfigDict, Field, StringConstraints

from robosure.contexts.eventflow.schemas.telemetry import SAMPLE
from robosure.kernel.errors import Invalid
from robosure.platform.http import InputModel, OutputModel
from robosure.platform.streams.letters import UNREADABLE, Chosen, Status

_EXAMPLE: Final[dict[str, Any]] = {
    "id": "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f",
    "consumer": "eventflow.ingest",
    "stream": "ingest",
    "event_id": "6f3c1a52-8e0d-4b7a-9c41-2d7e8f901234",
    "type": SAMPLE["type"],
    "source": SAMPLE["source"],
    "subject": SAMPLE["subject"],
    "error": "Invalid: sample_time_out_of_range",
    "traceback_digest": "9c1185a5c5e9fc54",
    "attempts": 3,
    "correlation_id": "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e60",
    "occurred_at": "2026-03-02T08:17:21.847Z",
    "first_failed_at": "2026-03-02T08:17:22.104Z",
    "failed_at": "2026-03-02T08:17:22.104Z",
    "status": "waiting",
    "retry_at": None,
    "edited": False,
    "settled_at": None,
    "settled_by": None,
    "reason": None,
}
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)
]


class DeadLetterItem(OutputModel):
    """An event that could not be handled."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: UUID
    consumer: str = Field(description="Who could not handle it.")
    stream: str
    event_id: str = Field(description="The event's `uid`, or the fact's id.")
    type: str = Field(description="`unreadable` for what is no event at all.")
    source: str | None = Field(description="Null for a fact of our own.")
    subject: str | None
    error: str
    traceback_digest: str = Field(description="Equal for failures at the same place.")
    attempts: int = Field(description="How often it failed.")
    correlation_id: str | None
    occurred_at: datetime
    first_failed_at: datetime
    failed_at: datetime = Field(description="The last time it failed.")
    status: Status = Field(
        description="`waiting` for a person, `retrying` by itself at `retry_at`, "
        "`replaying` now, `replayed`, or `discarded`."
    )
    retry_at: datetime | None
    edited: bool = Field(description="Whether someone corrected it.")
    settled_at: datetime | None
    settled_by: UUID | None = Field(description="Who edited, replayed or discarded.")
    reason: str | None = Field(description="Why it was discarded.")


class DeadLetterOut(DeadLetterItem):
    """An event that could not be handled, and all it says."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_EXAMPLE, "event": dict(SAMPLE)}]}
    )

    event: dict[str, Any] | None = Field(
        description="The CloudEvent, or the fact with `envelope` and `payload`; null "
        "where it cannot be read."
    )
    content: str | None = Field(description="What could not be read.")

    @classmethod
    def from_row(cls, row: Any) -> Self:
        """Show a letter."""
        items = {name: getattr(row, name) for name in DeadLetterItem.model_fields}
        if row.type == UNREADABLE:
            return cls(**items, event=None, content=row.content)
        event: dict[str, Any] = orjson.loads(row.content)
        if row.source is not None:
            (event,) = event["events"]
        return cls(**items, event=event, content=None)


class DeadLetterKind(OutputModel):
    """Open dead letters that failed for the same consumer at the same place."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "consumer": "claims",
                    "type": "policies.PolicyBound",
                    "traceback_digest": "9c1185a5c5e9fc54",
                    "error": "NotYetKnown: robot_not_yet_known",
                    "letters": 12,
                    "oldest_at": "2026-03-02T08:17:22.104Z",
                }
            ]
        }
    )

    consumer: str
    type: str
    traceback_digest: str
    error: str = Field(description="Of one of them.")
    letters: int
    oldest_at: datetime


class DeadLetterKinds(OutputModel):
    """Open dead letters, by what went wrong; the most first."""

    items: list[DeadLetterKind]


class DeadLetterEdit(InputModel):
    """What the event is to say instead."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"data": dict(SAMPLE["data"])}]}
    )

    data: dict[str, Any] = Field(
        description="`data` of the CloudEvent, or the fact's payload, whole."
    )


class DeadLetterChoice(InputModel):
    """Which letters: these, or all open ones that fit; at least one is to be said."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"traceback_digest": "9c1185a5c5e9fc54"}]}
    )

    ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)] | None = None
    consumer: str | None = None
    type: str | None = None
    traceback_digest: str | None = None
    subject: str | None = None

    def chosen(self) -> Chosen:
        """Return the choice.

        Raises:
            Invalid: nothing is said, which would mean all there are.
        """
        chosen = Chosen(
            ids=None if self.ids is None else tuple(self.ids),
            consumer=self.consumer,
            type=self.type,
            digest=self.traceback_digest,
            subject=self.subject,
        )
        if not chosen.conditions():
            raise Invalid("nothing_chosen", reason="say which dead letters are meant")
        return chosen


class DeadLetterDiscard(InputModel):
    """Why it is given up."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "the robot was scrapped"}]}
    )

    reason: Reason


class DeadLettersDiscard(DeadLetterChoice):
    """Which letters, and why they are given up."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"type": "robot.telemetry.v1", "reason": "a test fleet"}]
        }
    )

    reason: Reason


class DeadLettersSettled(OutputModel):
    """Which letters it concerned."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"letters": 1, "ids": [_EXAMPLE["id"]]}]}
    )

    letters: int
    ids: list[UUID]
