"""What payments tells the others: money that moved, or did not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
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
