"""Notices over HTTP: what was told to people."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from robosure.contexts.notifications.domain import Channel, DeliveryStatus, Template
from robosure.platform.http import OutputModel

_ID = "019c8f3e-9a40-7000-8000-000000000001"
_SUBJECT = "Your policy POL-2026-000042 is in force"


class DeliveryResponse(OutputModel):
    """Something that was told to somebody, and what came of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "channel": "email",
                    "recipient": "fleet@acme.example",
                    "template": "policy_bound",
                    "reference": "POL-2026-000042",
                    "holder_id": _ID,
                    "subject": _SUBJECT,
                    "text": "Dear Acme Robotics, …",
                    "html": "<p>Dear Acme Robotics, …</p>",
                    "status": "sent",
                    "attempts": 1,
                    "message_id": "6d7c6e5a-1df4-5b52-a5a1-90e6b4d3b1c0",
                    "created_at": "2026-03-02T12:00:00Z",
                    "next_attempt_at": None,
                    "sent_at": "2026-03-02T12:00:01Z",
                    "error": None,
                }
            ]
        }
    )

    id: UUID
    channel: Channel
    recipient: str = Field(
        description="An e-mail address, or the organisation told in the app."
    )
    template: Template
    reference: str = Field(
        description="The policy's or claim's number, or the webhook endpoint's id."
    )
    holder_id: UUID
    subject: str
    text: str
    html: str
    status: DeliveryStatus = Field(
        description="`uncertain`: it may have arrived; it is not sent again by itself."
    )
    attempts: int
    message_id: str = Field(description="Left part of an e-mail's Message-ID.")
    created_at: datetime
    next_attempt_at: datetime | None
    sent_at: datetime | None
    error: str | None


class MessageResponse(OutputModel):
    """A message in the app."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "template": "policy_bound",
                    "reference": "POL-2026-000042",
                    "subject": _SUBJECT,
                    "text": "Dear Acme Robotics, …",
                    "created_at": "2026-03-02T12:00:00Z",
                    "read_at": None,
                }
            ]
        }
    )

    id: UUID
    template: Template
    reference: str = Field(
        description="The policy's or claim's number, or the webhook endpoint's id."
    )
    subject: str
    text: str
    created_at: datetime
    read_at: datetime | None = Field(
        description="When you read it; null if you have not."
    )


class UnreadCountResponse(OutputModel):
    """How many messages you have not read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"unread": 3}]})

    unread: int
