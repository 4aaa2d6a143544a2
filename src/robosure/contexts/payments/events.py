"""What payments tells the others: money that moved, or did not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from robosure.kernel.events import DomainEvent
from robosure.kernel.money import Money


@dataclass(frozen=True)
class InstalmentPaid(DomainEvent):
    """A holder's instalment was collected.

    Attributes:
        sequence: 1 for the first of ``instalments``.
    """

    instalment_id: UUID
    policy_id: UUID
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    sequence: int
    instalments: int
    amount: Money
    paid_at: datetime


@dataclass(frozen=True)
class InstalmentFailed(DomainEvent):
    """An attempt to collect an instalment was declined.

    Attributes:
        attempt: 1 for the first attempt at this instalment.
        reason: the processor's word for it, such as ``card_declined``.
    """

    instalment_id: UUID
    policy_id: UUID
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    sequence: int
    instalments: int
    amount: Money
    attempt: int
    reason: str


@dataclass(frozen=True)
class PayoutCompleted(DomainEvent):
    """A settlement was paid."""

    payout_id: UUID
    claim_id: UUID
    amount: Money
    paid_at: datetime


@dataclass(frozen=True)
class PayoutFailed(DomainEvent):
    """A settlement could not be paid; someone must look."""

    payout_id: UUID
    claim_id: UUID
    amount: Money
    reason: str


_ID: Final = UUID("019c8f3e-9a40-7000-8000-000000000001")
_AMOUNT: Final = Money(4_860, "EUR")
_PAID_AT: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)

SAMPLES: Final = (
    InstalmentPaid(
        instalment_id=_ID,
        policy_id=_ID,
        policy_number="POL-2026-000042",
        insurer_id=_ID,
        holder_id=_ID,
        sequence=1,
        instalments=12,
        amount=_AMOUNT,
        paid_at=_PAID_AT,
    ),
    InstalmentFailed(
        instalment_id=_ID,
        policy_id=_ID,
        policy_number="POL-2026-000042",
        insurer_id=_ID,
        holder_id=_ID,
        sequence=2,
        instalments=12,
        amount=_AMOUNT,
        attempt=1,
        reason="card_declined",
    ),
    PayoutCompleted(
        payout_id=_ID, claim_id=_ID, amount=Money(93_340, "EUR"), paid_at=_PAID_AT
    ),
    PayoutFailed(
        payout_id=_ID,
        claim_id=_ID,
        amount=Money(93_340, "EUR"),
        reason="account_closed",
    ),
)
"""One of each kind, as the catalogue of event types shows it."""
