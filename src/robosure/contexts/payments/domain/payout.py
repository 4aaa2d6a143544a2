"""Payouts: an approved settlement on its way to the holder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from robosure.contexts.claims.events import PayoutRequested
from robosure.contexts.payments.domain.ledger import (
    CASH,
    CLAIMS_PAID,
    Entry,
    Transaction,
    TransactionKind,
)
from robosure.contexts.payments.domain.movement import Movement, Operation, Status
from robosure.contexts.payments.events import PayoutCompleted, PayoutFailed
from robosure.kernel.errors import Invalid


@dataclass(eq=False, kw_only=True)
class Payout(Movement):
    """A settlement that claims asked to be paid.

    It is not tried again by itself when declined: whoever decided the claim must look,
    and asks for another payout.
    """

    operation: ClassVar[Operation] = Operation.PAYOUT
    asking: ClassVar[Status] = Status.PAYING

    claim_id: UUID
    claim_number: str
    requested_at: datetime

    @classmethod
    def request(cls, requested: PayoutRequested, *, at: datetime) -> Payout:
        """Take the request; it is due at once.

        Raises:
            Invalid: the amount is not positive.
        """
        if requested.amount.minor <= 0:
            raise Invalid("payout_not_positive", amount=str(requested.amount))
        return cls(
            id=requested.payout_id,
            insurer_id=requested.insurer_id,
            holder_id=requested.payee_id,
            claim_id=requested.claim_id,
            claim_number=requested.claim_number,
            amount=requested.amount,
            payment_method=requested.payment_method,
            requested_at=at,
            status=Status.REQUESTED,
            next_attempt_at=at,
        )

    def _settle(self, at: datetime) -> Transaction:
        self.record(
            PayoutCompleted(
                payout_id=self.id,
                claim_id=self.claim_id,
                amount=self.amount,
                paid_at=at,
            )
        )
        return Transaction(
            kind=TransactionKind.CLAIM_PAID,
            source=f"payout:{self.id}",
            insurer_id=self.insurer_id,
            holder_id=self.holder_id,
            claim_id=self.claim_id,
            reference=self.claim_number,
            occurred_at=at,
            entries=(Entry(CLAIMS_PAID, self.amount), Entry(CASH, -self.amount)),
        )

    def _tell_failure(self, reason: str) -> None:
        self.record(
            PayoutFailed(
                payout_id=self.id,
                claim_id=self.claim_id,
                amount=self.amount,
                reason=reason,
            )
        )
