"""Webhook endpoints: where an organisation wants to be told of what concerns it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from robosure.contexts.notifications.events import WebhookEndpointDisabled
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Invalid, InvalidState
from robosure.kernel.urls import rules_broken

ROTATION: Final = timedelta(hours=24)
"""How long a secret still signs after another has taken its place."""

MOST_SECRETS: Final = 5
"""How many secrets may sign at a time; each is another signature in a header."""


class EventType(StrEnum):
    """What a webhook can tell of."""

    POLICY_BOUND = "policy.bound"
    INSTALMENT_PAID = "instalment.paid"
    INSTALMENT_FAILED = "instalment.failed"
    CLAIM_REPORTED = "claim.reported"
    CLAIM_DECIDED = "claim.decided"
    CLAIM_PAID = "claim.paid"
    ROBOT_REGISTERED = "robot.registered"
    ROBOT_CHANGED = "robot.changed"
    ROBOT_RISK_CHANGED = "robot.risk_changed"
    PING = "webhook.ping"


class EndpointStatus(StrEnum):
    """Whether anything is sent to an endpoint."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DISABLED_BY_FAILURES = "disabled_by_failures"


class DisablingReason(StrEnum):
    """Why an endpoint was given up."""

    GONE = "gone"
    FAILING = "failing"


@dataclass(frozen=True)
class SigningSecret:
    """A secret that signs, as it is kept.

    Attributes:
        sealed: encrypted; what it is can only be read by who holds the key.
        ends_at: when it signs no more; None for the one in use.
    """

    sealed: str
    made_at: datetime
    ends_at: datetime | None = None

    def signs_at(self, moment: datetime) -> bool:
        """Whether a signature with it is still made."""
        return self.ends_at is None or moment < self.ends_at


@dataclass(eq=False, kw_only=True)
class WebhookEndpoint(Aggregate):
    """A URL at which an organisation takes what concerns it.

    Attributes:
        event_types: what it is told of; None for everything, also of types to come.
        secrets: the newest first.
        disabled_at: None while it is enabled.
        disabled_reason: None unless it was given up.
    """

    organisation_id: UUID
    url: str
    description: str
    event_types: tuple[EventType, ...] | None
    status: EndpointStatus
    secrets: tuple[SigningSecret, ...]
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_reason: DisablingReason | None = None

    @classmethod
    def register(
        cls,
        *,
        organisation_id: UUID,
        url: str,
        description: str,
        event_types: Collection[EventType] | None,
        sealed_secret: str,
        private: bool,
        at: datetime,
    ) -> WebhookEndpoint:
        """Take one in; it is told from now on.

        Raises:
            Invalid: see :func:`check_url`.
        """
        check_url(url, private=private)
        return cls(
            organisation_id=organisation_id,
            url=url,
            description=description,
            event_types=_ordered(event_types),
            status=EndpointStatus.ENABLED,
            secrets=(SigningSecret(sealed_secret, at),),
            created_at=at,
        )

    def change(
        self,
        *,
        url: str,
        description: str,
        event_types: Collection[EventType] | None,
        private: bool,
    ) -> None:
        """Describe it anew; what waits to be sent goes to the new URL.

        Raises:
            Invalid: see :func:`check_url`.
        """
        check_url(url, private=private)
        self.url = url
        self.description = description
        self.event_types = _ordered(event_types)

    def rotate(self, sealed: str, *, at: datetime, end_previous: bool) -> None:
        """Sign with another secret from now on, and with those before for a day.

        Args:
            sealed: the new secret, encrypted.
            at: now.
            end_previous: whether those before end at once, as after a leak.

        Raises:
            InvalidState: so many were made lately that no more fit into a header.
        """
        kept = () if end_previous else self.signing_at(at)
        if len(kept) >= MOST_SECRETS:
            raise InvalidState("too_many_webhook_secrets", most=MOST_SECRETS)
        ending = (replace(each, ends_at=each.ends_at or at + ROTATION) for each in kept)
        self.secrets = (SigningSecret(sealed, at), *ending)

    def signing_at(self, moment: datetime) -> tuple[SigningSecret, ...]:
        """Return the secrets that sign at that moment, the newest first."""
        return tuple(each for each in self.secrets if each.signs_at(moment))

    def enable(self) -> None:
        """Send again, what still waits first."""
        self.status = EndpointStatus.ENABLED
        self.disabled_at = None
        self.disabled_reason = None

    def disable(self, *, at: datetime) -> None:
        """Send nothing, and take note of nothing, until it is enabled."""
        self._stop(EndpointStatus.DISABLED, None, at)

    def give_up(
        self, reason: DisablingReason, *, failing_since: datetime, error: str,
        at: datetime,
    ) -> None:  # fmt: skip
        """Disable it because it does not take what it is sent; tell its organisation.

        One that is disabled already stays as it is.
        """
        if self.status is not EndpointStatus.ENABLED:
            return
        self._stop(EndpointStatus.DISABLED_BY_FAILURES, reason, at)
        self.record(
            WebhookEndpointDisabled(
                endpoint_id=self.id,
                organisation_id=self.organisation_id,
                url=without_query(self.url),
                reason=reason.value,
                failing_since=failing_since,
                last_error=error,
            )
        )

    def require_enabled(self) -> None:
        """Refuse to send where nothing is sent.

        Raises:
            InvalidState: it is disabled.
        """
        if self.status is not EndpointStatus.ENABLED:
            raise InvalidState("webhook_endpoint_disabled", id=self.id)

    def _stop(
        self, status: EndpointStatus, reason: DisablingReason | None, at: datetime
    ) -> None:
        self.status = status
        self.disabled_at = at
        self.disabled_reason = reason


def check_url(url: str, *, private: bool) -> None:
    """Refuse a URL at which nothing can, or may, be delivered.

    Args:
        url: as the organisation wrote it.
        private: whether plain HTTP will do, too.

    Raises:
        Invalid: naming each rule that it breaks.
    """
    if broken := rules_broken("url", url, plain=private):
        raise Invalid("invalid_webhook_url", errors=broken)


def without_query(url: str) -> str:
    """Return the URL as it may be shown: its query may hold a secret."""
    return urlsplit(url)._replace(query="").geturl()


def _ordered(types: Collection[EventType] | None) -> tuple[EventType, ...] | None:
    return None if types is None else tuple(each for each in EventType if each in types)
