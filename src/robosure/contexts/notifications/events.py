"""What notifications tells: that a receiver of webhooks was given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
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
