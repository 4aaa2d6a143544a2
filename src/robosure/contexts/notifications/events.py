"""What notifications tells: that a receiver of webhooks was given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from robosure.kernel.events import DomainEvent


@dataclass(frozen=True)
class WebhookEndpointDisabled(DomainEvent):
    """Nothing is sent to an organisation's endpoint any more, until it is enabled.

    Attributes:
        url: without its query, which may hold a secret.
        reason: ``gone``, or ``failing`` for too long.
        failing_since: of the first failure after the last success.
        last_error: what came of the latest attempt.
    """

    endpoint_id: UUID
    organisation_id: UUID
    url: str
    reason: str
    failing_since: datetime
    last_error: str


_ID: Final = UUID("019c8f3e-9a40-7000-8000-000000000001")

SAMPLES: Final = (
    WebhookEndpointDisabled(
        endpoint_id=_ID,
        organisation_id=_ID,
        url="https://fleet.acme.example/robosure",
        reason="failing",
        failing_since=datetime(2026, 3, 2, 12, tzinfo=UTC),
        last_error="answered 503",
    ),
)
"""One of each kind, as the catalogue of event types shows it."""
