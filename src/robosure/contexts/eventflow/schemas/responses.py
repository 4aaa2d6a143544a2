"""What eventflow answers over HTTP about events: taken in, stored, failed, counted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from robosure.contexts.eventflow.schemas.telemetry import SAMPLE
from robosure.platform.http import OutputModel


class RefusalOut(OutputModel):
    """An event of the request that was not taken in."""

    index: int = Field(description="Its place in the request, from 0.")
    id: str | None = Field(
        description="Its `id`, if it has one; of a long one, its 255 first characters."
    )
    code: str = Field(description="Why it was refused; stable.")
    detail: str = Field(description="Why it was refused, in words.")


class Receipt(OutputModel):
    """What became of a request's events.

    What was not refused is accepted: it is safe and will be processed; whether it
    repeats an earlier event is found out then.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "batch_id": "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f",
                    "accepted": 1,
                    "refused": 1,
                    "refusals": [
                        {
                            "index": 1,
                            "id": "1f0c2b7a-000002",
                            "code": "invalid_data",
                            "detail": "data.speed: Input should be a valid number",
                        }
                    ],
                }
            ]
        }
    )

    batch_id: UUID = Field(description="The same for a repeat with an Idempotency-Key.")
    accepted: int = Field(description="How many events were taken in.")
    refused: int = Field(description="How many were not.")
    refusals: list[RefusalOut] = Field(description="Which were not, and why.")


class CountsOut(OutputModel):
    """What happened to a subject's events so far."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": SAMPLE["subject"],
                    "stored": 7409,
                    "repeated": 12,
                    "failed": 0,
                    "first_at": "2026-03-02T08:17:21.847Z",
                    "last_at": "2026-03-02T10:22:32.527Z",
                }
            ]
        }
    )

    subject: UUID
    stored: int = Field(description="Processed, each once.")
    repeated: int = Field(description="Recognised as repeats.")
    failed: int = Field(description="Put aside as failing.")
    first_at: datetime | None = Field(description="Earliest time of an event.")
    last_at: datetime | None = Field(description="Latest time of an event.")
