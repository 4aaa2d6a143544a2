"""Webhook endpoints and deliveries over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from robosure.contexts.notifications.domain import (
    DisablingReason,
    EndpointHealth,
    EndpointStatus,
    EventType,
    Outcome,
    WebhookEndpoint,
    WebhookStatus,
)
from robosure.kernel.urls import LONGEST_URL
from robosure.platform.http import InputModel, OutputModel

_ID: Final = "019c8f3e-9a40-7000-8000-000000000001"
_NOON: Final = "2026-03-02T12:00:00Z"
_DESCRIBED: Final[dict[str, Any]] = {
    "url": "https://fleet.acme.example/robosure",
    "description": "Fleet management",
    "event_types": ["claim.decided", "robot.risk_changed"],
}
_ENDPOINT: Final[dict[str, Any]] = {
    "id": _ID,
    **_DESCRIBED,
    "status": "enabled",
    "disabled_at": None,
    "disabled_reason": None,
    "created_at": _NOON,
    "secrets": [{"made_at": _NOON, "ends_at": None}],
    "failures": 0,
    "failing_since": None,
    "held_until": None,
    "delivered_at": "2026-03-02T12:00:01Z",
}
_DELIVERY: Final[dict[str, Any]] = {
    "id": _ID,
    "message_id": "msg_6d7c6e5a1df45b52a5a190e6b4d3b1c0",
    "endpoint_id": _ID,
    "event_type": "claim.decided",
    "occurred_at": _NOON,
    "status": "pending",
    "attempts": 1,
    "created_at": _NOON,
    "last_attempt_at": _NOON,
    "next_attempt_at": "2026-03-02T12:00:06Z",
    "delivered_at": None,
    "error": "answered 503",
}


def _told_by_choice(types: frozenset[EventType]) -> frozenset[EventType]:
    if EventType.PING in types:
        message = "webhook.ping is sent to every endpoint that is tested"
        raise ValueError(message)
    return types


class WebhookEndpointIn(InputModel):
    """Where to be told, and of what."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DESCRIBED]})

    url: str = Field(
        min_length=1,
        max_length=LONGEST_URL,
        description="Absolute, `https`, and at a public address.",
    )
    description: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f]*$"
        ),
    ] = Field(default="", description="For yourselves.")
    event_types: (
        Annotated[
            frozenset[EventType], Field(min_length=1), AfterValidator(_told_by_choice)
        ]
        | None
    ) = Field(
        default=None,
        description="What to be told of; null for everything that concerns you, "
        "also of types to come.",
    )


class RotationIn(InputModel):
    """How to change a secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"end_previous": False}]})

    end_previous: bool = Field(
        default=False,
        description="Whether the secret so far ends at once, as after a leak, rather "
        "than signing along for 24 hours.",
    )


class SecretResponse(OutputModel):
    """A secret that signs, without the secret."""

    made_at: datetime
    ends_at: datetime | None = Field(
        description="When it signs no more; null for the one in use."
    )


class WebhookEndpointResponse(OutputModel):
    """An endpoint, and how it has been answering."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENDPOINT]})

    id: UUID
    url: str
    description: str
    event_types: list[EventType] | None = Field(description="Null for everything.")
    status: EndpointStatus
    disabled_at: datetime | None
    disabled_reason: DisablingReason | None = Field(
        description="`gone`: it answered 410. `failing`: 5 days of nothing but failure."
    )
    created_at: datetime
    secrets: list[SecretResponse] = Field(description="The newest first.")
    failures: int = Field(description="In a row, up to now.")
    failing_since: datetime | None
    held_until: datetime | None = Field(
        description="Nothing is sent before, because of failures in a row, or because "
        "the endpoint asked for it."
    )
    delivered_at: datetime | None = Field(description="The latest success.")

    @classmethod
    def of(cls, endpoint: WebhookEndpoint, health: EndpointHealth) -> Self:
        """Show an endpoint and its health as one."""
        shown = {
            name: getattr(endpoint if hasattr(endpoint, name) else health, name)
            for name in cls.model_fields
        }
        return cls.model_validate(shown)


class WebhookEndpointWithSecret(OutputModel):
    """An endpoint and the secret that signs from now on, shown this once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",  # nosec B105 # an example
                    "endpoint": _ENDPOINT,
                }
            ]
        }
    )

    secret: str = Field(description="Keep it; nobody can show it to you again.")
    endpoint: WebhookEndpointResponse


class WebhookDeliveryResponse(OutputModel):
    """One fact on its way to an endpoint."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DELIVERY]})

    id: UUID
    message_id: str = Field(description="The `webhook-id`, the same in every attempt.")
    endpoint_id: UUID
    event_type: EventType
    occurred_at: datetime
    status: WebhookStatus
    attempts: int
    created_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    error: str | None = Field(
        description="Of the latest attempt, if it did not succeed."
    )


class AttemptResponse(OutputModel):
    """One time that it was sent."""

    number: int
    started_at: datetime
    duration_ms: int | None
    outcome: Outcome = Field(
        description="`lost`: its sender died before it could say; it was sent again."
    )
    status: int | None = Field(description="The HTTP status, if there was an answer.")
    answer: str | None = Field(description="The first 4 KiB of the answer's body.")
    error: str | None


class WebhookDeliveryDetail(WebhookDeliveryResponse):
    """One fact on its way to an endpoint: what is sent, and every attempt."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_DELIVERY,
                    "body": '{"type":"claim.decided","timestamp":"2026-03-02T12:00:00Z"'
                    ',"data":{}}',
                    "tries": [
                        {
                            "number": 1,
                            "started_at": _NOON,
                            "duration_ms": 218,
                            "outcome": "refused",
                            "status": 503,
                            "answer": "come back later",
                            "error": "answered 503",
                        }
                    ],
                }
            ]
        }
    )

    body: str = Field(description="What is sent and signed, to the byte.")
    tries: list[AttemptResponse] = Field(description="The latest first, up to 100.")


class WebhookEventTypeResponse(OutputModel):
    """A type of event: who is told, and what the data says."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "webhook.ping",
                    "description": "Somebody asked for a test of the endpoint.",
                    "audience": "the endpoint that is tested",
                    "example": {"endpoint_id": _ID},
                    "json_schema": {"type": "object"},
                }
            ]
        }
    )

    type: EventType
    description: str
    audience: str = Field(description="Which organisations are told.")
    example: dict[str, Any] = Field(description="Of `data`.")
    json_schema: dict[str, Any] = Field(description="Of `data`.")


class WebhookEventTypesResponse(OutputModel):
    """Every type of event."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "type": "webhook.ping",
                            "description": "Somebody asked for a test of the endpoint.",
                            "audience": "the endpoint that is tested",
                            "example": {"endpoint_id": _ID},
                            "json_schema": {"type": "object"},
                        }
                    ]
                }
            ]
        }
    )

    items: list[WebhookEventTypeResponse]
