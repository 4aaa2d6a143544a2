"""Webhook deliveries: one fact on its way to one endpoint, with every attempt.

Unlike an e-mail, a webhook may arrive twice: its ``webhook-id`` says that it is the
same, and receivers are told to look. So a delivery whose sender died is sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from robosure.contexts.notifications.domain.endpoint import EventType
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import InvalidState

RETRY_AFTER: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long to wait after each failure; after the last one the delivery has failed."""

JITTER: Final = 0.2
"""By how much of itself a wait is lengthened at most, so that retries spread out."""

LEASE: Final = timedelta(minutes=1)
"""How long sending may take before it is taken up again."""

LONGEST_RETRY_AFTER: Final = timedelta(hours=24)
"""How long a receiver may ask to be left alone."""

KEPT_ANSWER: Final = 4_096
"""How many bytes of a receiver's answer are kept."""


class WebhookStatus(StrEnum):
    """Where a delivery is."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Outcome(StrEnum):
    """What came of an attempt."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    GONE = "gone"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    ADDRESS_REFUSED = "address_refused"
    LOST = "lost"


@dataclass(frozen=True)
class Result:
    """How an attempt ended.

    Attributes:
        status: the HTTP status; None where there was no answer.
        answer: the beginning of the answer's body.
        error: None if it was delivered.
        retry_after: how long the receiver asked to be left alone.
    """

    outcome: Outcome
    status: int | None = None
    answer: str | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @classmethod
    def of_answer(
        cls, status: int, answer: str, *, retry_after: timedelta | None
    ) -> Result:
        """Read an HTTP answer: any 2xx is a success, 410 a farewell."""
        if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110: successful
            return cls(Outcome.DELIVERED, status, answer)
        outcome = Outcome.GONE if status == 410 else Outcome.REFUSED  # noqa: PLR2004 - RFC 9110: Gone
        error = f"answered {status}"
        if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110: redirection
            error += "; redirects are not followed"
        asked = None if retry_after is None else min(retry_after, LONGEST_RETRY_AFTER)
        return cls(outcome, status, answer, error, asked)


LOST: Final = Result(Outcome.LOST, error="no word of how sending ended")


@dataclass(frozen=True)
class Attempt:
    """One time a delivery was sent.

    Attributes:
        number: counts the delivery's attempts; one that was lost is not counted, and
            has the number of the one that follows.
    """

    delivery_id: UUID
    number: int
    started_at: datetime
    duration: timedelta | None
    result: Result


@dataclass(eq=False, kw_only=True)
class WebhookDelivery(Aggregate):
    """One fact for one endpoint.

    Attributes:
        message_id: the ``webhook-id``: the same for the same fact and endpoint.
        event_id: of the fact.
        occurred_at: when the fact became true.
        body: what is sent and signed, to the byte.
        next_attempt_at: when to send it, or, while it is being sent, when its sender
            must have died. None when there is nothing left to do.
        attempts: all that there were, whatever came of them.
        failures: since it was last asked for; they choose the next wait.
        error: of the latest attempt, if it did not succeed.
    """

    message_id: str
    event_id: UUID
    endpoint_id: UUID
    organisation_id: UUID
    event_type: EventType
    occurred_at: datetime
    body: str
    status: WebhookStatus
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: int = 0
    failures: int = 0
    delivered_at: datetime | None = None
    last_attempt_at: datetime | None = None
    error: str | None = None

    @classmethod
    def of(
        cls,
        *,
        event_id: UUID,
        endpoint_id: UUID,
        organisation_id: UUID,
        event_type: EventType,
        occurred_at: datetime,
        body: str,
        at: datetime,
    ) -> WebhookDelivery:
        """Tell an endpoint of a fact; it is sent soon."""
        return cls(
            message_id=f"msg_{uuid5(endpoint_id, str(event_id)).hex}",
            event_id=event_id,
            endpoint_id=endpoint_id,
            organisation_id=organisation_id,
            event_type=event_type,
            occurred_at=occurred_at,
            body=body,
            status=WebhookStatus.PENDING,
            created_at=at,
            next_attempt_at=at,
        )

    def claim(self, *, at: datetime) -> Attempt | None:
        """Take it for sending, so that nobody else does.

        A sender that died costs the delivery none of its attempts.

        Returns:
            The attempt before, if nothing was ever heard of it.

        Raises:
            InvalidState: there is nothing to do, or not yet.
        """
        if self.next_attempt_at is None or at < self.next_attempt_at:
            raise InvalidState("webhook_not_due", id=self.id, status=self.status)
        lost = None
        if self.status is WebhookStatus.SENDING:
            began = self.last_attempt_at or self.created_at
            lost = Attempt(self.id, self.attempts, began, None, LOST)
        else:
            self.attempts += 1
        self.status = WebhookStatus.SENDING
        self.last_attempt_at = at
        self.next_attempt_at = at + LEASE
        return lost

    def is_claimed(self, *, since: datetime | None) -> bool:
        """Whether who claimed it then is still the one to say how it ended."""
        return self.status is WebhookStatus.SENDING and self.last_attempt_at == since

    def put_back(self, *, at: datetime) -> None:
        """It was not sent after all, through no fault of the receiver's."""
        self.status = WebhookStatus.PENDING
        self.attempts -= 1
        self.next_attempt_at = at + LEASE

    def ended(self, result: Result, *, at: datetime, jitter: float) -> None:
        """Note how sending ended, and when to try again if it failed.

        Args:
            result: of the attempt.
            at: now.
            jitter: from 0 to 1; by how much of :data:`JITTER` the wait is lengthened.
        """
        self.error = result.error
        if result.outcome is Outcome.DELIVERED:
            self.status = WebhookStatus.DELIVERED
            self.delivered_at = at
            self.next_attempt_at = None
            return
        self.failures += 1
        if result.outcome is Outcome.GONE or self.failures > len(RETRY_AFTER):
            self.status = WebhookStatus.FAILED
            self.next_attempt_at = None
            return
        wait = RETRY_AFTER[self.failures - 1] * (1 + JITTER * jitter)
        self.status = WebhookStatus.PENDING
        self.next_attempt_at = at + max(wait, result.retry_after or wait)

    def ask_again(self, *, at: datetime) -> None:
        """Send it once more from the beginning of the schedule, whatever came of it.

        Raises:
            InvalidState: it is being sent right now.
        """
        if self.status is WebhookStatus.SENDING:
            raise InvalidState("webhook_being_sent", id=self.id)
        self.status = WebhookStatus.PENDING
        self.failures = 0
        self.next_attempt_at = at
