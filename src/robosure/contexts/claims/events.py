"""What claims tells the others: losses reported, decided and to be paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from robosure.kernel.events import DomainEvent
from robosure.kernel.money import Money


@dataclass(frozen=True)
class ClaimReported(DomainEvent):
    """A first notice of loss was taken."""

    claim_id: UUID
    number: str
    policy_id: UUID
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    robot_id: UUID
    incident_type: str
    incident_at: datetime


@dataclass(frozen=True)
class EvidenceRequested(DomainEvent):
    """A claim needs a robot's telemetry of a window, frozen."""

    request_id: UUID
    claim_id: UUID
    robot_id: UUID
    window_start: datetime
    window_end: datetime


@dataclass(frozen=True)
class ClaimDecided(DomainEvent):
    """A claim was approved for an amount, or declined with a reason."""

    claim_id: UUID
    number: str
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    approved: bool
    amount: Money
    reason: str


@dataclass(frozen=True)
class PayoutRequested(DomainEvent):
    """An approved settlement is to be paid to the holder."""

    payout_id: UUID
    claim_id: UUID
    claim_number: str
    insurer_id: UUID
    payee_id: UUID
    amount: Money
    payment_method: str


@dataclass(frozen=True)
class ClaimPaid(DomainEvent):
    """The money arrived and the claim is closed."""

    claim_id: UUID
    number: str
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    paid: Money
