"""What claims tells the others: losses reported, decided and to be paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
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


_ID: Final = UUID("019c8f3e-9a40-7000-8000-000000000001")
_INCIDENT_AT: Final = datetime(2026, 3, 2, 11, 58, 12, tzinfo=UTC)
_SETTLED: Final = Money(93_340, "EUR")

SAMPLES: Final = (
    ClaimReported(
        claim_id=_ID,
        number="CLM-2026-000007",
        policy_id=_ID,
        policy_number="POL-2026-000042",
        insurer_id=_ID,
        holder_id=_ID,
        robot_id=_ID,
        incident_type="collision",
        incident_at=_INCIDENT_AT,
    ),
    EvidenceRequested(
        request_id=_ID,
        claim_id=_ID,
        robot_id=_ID,
        window_start=_INCIDENT_AT - timedelta(minutes=10),
        window_end=_INCIDENT_AT + timedelta(minutes=10),
    ),
    ClaimDecided(
        claim_id=_ID,
        number="CLM-2026-000007",
        policy_number="POL-2026-000042",
        insurer_id=_ID,
        holder_id=_ID,
        approved=True,
        amount=_SETTLED,
        reason="Repair as invoiced, less the deductible.",
    ),
    PayoutRequested(
        payout_id=_ID,
        claim_id=_ID,
        claim_number="CLM-2026-000007",
        insurer_id=_ID,
        payee_id=_ID,
        amount=_SETTLED,
        payment_method="tok_ok",
    ),
    ClaimPaid(
        claim_id=_ID,
        number="CLM-2026-000007",
        policy_number="POL-2026-000042",
        insurer_id=_ID,
        holder_id=_ID,
        paid=_SETTLED,
    ),
)
"""One of each kind, as the catalogue of event types shows it."""
