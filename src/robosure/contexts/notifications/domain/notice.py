"""Deliveries: what was told to whom, over which channel, and what came of it.

A delivery is never sent twice. It is claimed in one transaction, sent outside any, and
its end recorded in another. A refusal that is known is tried again later; a delivery
whose end nobody knows (the process died, or the server went silent after it had the
message) becomes ``uncertain`` and waits for a person, because an e-mail that arrives
twice cannot be taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import InvalidState

RETRY_AFTER: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
)
"""How long to wait after each refusal; after the last one the delivery has failed."""

PATIENCE: Final = timedelta(minutes=10)
"""How long sending may take before nobody knows its end any more."""

REPEAT_AFTER: Final = timedelta(minutes=1)
"""How long sending may take where sending again is harmless."""


class Channel(StrEnum):
    """How something is told."""

    EMAIL = "email"
    IN_APP = "in_app"


class DeliveryStatus(StrEnum):
    """Where a delivery is."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


class Template(StrEnum):
    """What can be told; each has a subject, a text and an HTML template."""

    POLICY_BOUND = "policy_bound"
    PAYMENT_TAKEN = "payment_taken"
    PAYMENT_FAILED = "payment_failed"
    CLAIM_RECEIVED = "claim_received"
    CLAIM_DECIDED = "claim_decided"
    CLAIM_PAID = "claim_paid"
    WEBHOOK_DISABLED = "webhook_disabled"


@dataclass(frozen=True)
class Recipient:
    """An organisation that is told things, as identity last described it."""

    organisation_id: UUID
    name: str
    email: str


@dataclass(frozen=True)
class Content:
    """What a person reads."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Occasion:
    """Why somebody is told something.

    Attributes:
        event_id: of the fact; the same fact is told once.
        reference: the policy's or claim's number, or the webhook endpoint's id.
    """

    event_id: UUID
    template: Template
    reference: str
    insurer_id: UUID
    holder_id: UUID


@dataclass(eq=False, kw_only=True)
class Delivery(Aggregate):
    """One message to one recipient over one channel.

    Attributes:
        recipient: an e-mail address, or the id of the organisation told in the app.
        next_attempt_at: when there is something to do: send it, or give up waiting to
            hear how sending ended. None when there is nothing left to do.
        message_id: the same for the same fact, channel and recipient, whatever happens;
            the left part of an e-mail's Message-ID.
        error: of the latest attempt, if it did not succeed.
    """

    event_id: UUID
    channel: Channel
    recipient: str
    template: Template
    reference: str
    insurer_id: UUID
    holder_id: UUID
    subject: str
    text: str
    html: str
    message_id: str
    status: DeliveryStatus
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: int = 0
    sent_at: datetime | None = None
    error: str | None = None

    @classmethod
    def by_email(
        cls, occasion: Occasion, recipient: Recipient, content: Content, *, at: datetime
    ) -> Delivery:
        """Tell the organisation by e-mail; it is sent soon."""
        return cls._make(
            occasion, content, Channel.EMAIL, recipient.email, at=at,
            status=DeliveryStatus.PENDING, next_attempt_at=at, sent_at=None,
        )  # fmt: skip

    @classmethod
    def in_app(
        cls, occasion: Occasion, recipient: Recipient, content: Content, *, at: datetime
    ) -> Delivery:
        """Tell the organisation in the app; it is there at once."""
        return cls._make(
            occasion, content, Channel.IN_APP, str(recipient.organisation_id), at=at,
            status=DeliveryStatus.SENT, next_attempt_at=None, sent_at=at,
        )  # fmt: skip

    @classmethod
    def _make(
        cls,
        occasion: Occasion,
        content: Content,
        channel: Channel,
        recipient: str,
        *,
        at: datetime,
        status: DeliveryStatus,
        next_attempt_at: datetime | None,
        sent_at: datetime | None,
    ) -> Delivery:
        told = uuid5(occasion.event_id, f"{channel}:{recipient}")
        return cls(
            event_id=occasion.event_id,
            channel=channel,
            recipient=recipient,
            template=occasion.template,
            reference=occasion.reference,
            insurer_id=occasion.insurer_id,
            holder_id=occasion.holder_id,
            subject=content.subject,
            text=content.text,
            html=content.html,
            message_id=str(told),
            status=status,
            created_at=at,
            next_attempt_at=next_attempt_at,
            sent_at=sent_at,
        )

    def claim(self, *, at: datetime, repeatable: bool) -> None:
        """Take it for sending, so that nobody else does.

        Where an earlier claim never said how it ended, the message may have arrived:
        it is sent again only if that is harmless, and otherwise left ``uncertain``.

        Args:
            at: now.
            repeatable: whether the channel has the same message arrive once, however
                often it is sent.

        Raises:
            InvalidState: there is nothing to do, or not yet.
        """
        if self.next_attempt_at is None or at < self.next_attempt_at:
            raise InvalidState("delivery_not_due", id=self.id, status=self.status)
        if self.status is DeliveryStatus.SENDING and not repeatable:
            self.doubt("no word of how sending ended")
            return
        self.status = DeliveryStatus.SENDING
        self.attempts += 1
        self.next_attempt_at = at + (REPEAT_AFTER if repeatable else PATIENCE)

    def accepted(self, *, at: datetime) -> None:
        """It was taken over by the channel."""
        self.status = DeliveryStatus.SENT
        self.sent_at = at
        self.next_attempt_at = None
        self.error = None

    def postponed(self, reason: str, *, at: datetime) -> None:
        """It was not taken over now; try again later, until the last time."""
        if self.attempts > len(RETRY_AFTER):
            self.refused(reason)
            return
        self.status = DeliveryStatus.PENDING
        self.error = reason
        self.next_attempt_at = at + RETRY_AFTER[self.attempts - 1]

    def refused(self, reason: str) -> None:
        """It never will be taken over."""
        self.status = DeliveryStatus.FAILED
        self.error = reason
        self.next_attempt_at = None

    def doubt(self, reason: str) -> None:
        """Nobody knows whether it was taken over; never send it again."""
        self.status = DeliveryStatus.UNCERTAIN
        self.error = reason
        self.next_attempt_at = None
