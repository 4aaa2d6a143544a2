"""Instalments: a policy's total, split to the cent over the year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from robosure.contexts.payments.domain.ledger import (
    CASH,
    Entry,
    Transaction,
    TransactionKind,
    premium_receivable,
)
from robosure.contexts.payments.domain.movement import Movement, Operation, Status
from robosure.contexts.payments.events import InstalmentFailed, InstalmentPaid
from robosure.contexts.policies.events import PolicyBound
from robosure.kernel.errors import Invalid, InvalidState
from robosure.kernel.time import add_months, start_of_day

MONTHS: Final = 12


@dataclass(eq=False, kw_only=True)
class Instalment(Movement):
    """One of the payments for a policy.

    Attributes:
        sequence: 1 for the first of ``instalments``.
        due_on: in the policy's time zone.
    """

    operation: ClassVar[Operation] = Operation.CHARGE
    asking: ClassVar[Status] = Status.CHARGING
    retry_after: ClassVar[tuple[timedelta, ...]] = (
        timedelta(days=1),
        timedelta(days=3),
        timedelta(days=5),
    )

    policy_id: UUID
    policy_number: str
    sequence: int
    instalments: int
    due_on: date

    @classmethod
    def plan(cls, bound: PolicyBound) -> list[Instalment]:
        """Split a policy's total; the parts sum exactly and the larger come first.

        The first is due on the day of binding, the others evenly over twelve months. A
        total with fewer minor units than instalments makes as many as it has.

        Raises:
            Invalid: the total is not positive, or there is not at least one instalment
                and at most one a month.
        """
        if bound.total.minor <= 0:
            raise Invalid("total_not_positive", total=str(bound.total))
        if not 1 <= bound.instalments <= MONTHS:
            raise Invalid("invalid_instalments", instalments=bound.instalments)
        amounts = [part for part in bound.total.split(bound.instalments) if part]
        due = [
            add_months(bound.bound_on, index * MONTHS // bound.instalments)
            for index in range(len(amounts))
        ]
        return [
            cls(
                insurer_id=bound.insurer_id,
                holder_id=bound.holder_id,
                policy_id=bound.policy_id,
                policy_number=bound.number,
                sequence=sequence,
                instalments=len(amounts),
                amount=amount,
                payment_method=bound.payment_method,
                due_on=due_on,
                status=Status.SCHEDULED,
                next_attempt_at=start_of_day(due_on, bound.term.time_zone),
            )
            for sequence, (amount, due_on) in enumerate(
                zip(amounts, due, strict=True), start=1
            )
        ]

    def retry(self, *, at: datetime, payment_method: str | None = None) -> None:
        """Make a failed instalment due at once, perhaps with another means of payment.

        Raises:
            InvalidState: it has not failed.
        """
        if self.status is not Status.FAILED:
            raise InvalidState("instalment_not_failed", id=self.id, status=self.status)
        self.status = Status.SCHEDULED
        self.next_attempt_at = at
        self.payment_method = payment_method or self.payment_method

    def _settle(self, at: datetime) -> Transaction:
        self.record(
            InstalmentPaid(
                instalment_id=self.id,
                policy_id=self.policy_id,
                policy_number=self.policy_number,
                insurer_id=self.insurer_id,
                holder_id=self.holder_id,
                sequence=self.sequence,
                instalments=self.instalments,
                amount=self.amount,
                paid_at=at,
            )
        )
        return Transaction(
            kind=TransactionKind.PREMIUM_COLLECTED,
            source=f"charge:{self.id}",
            insurer_id=self.insurer_id,
            holder_id=self.holder_id,
            policy_id=self.policy_id,
            reference=self.policy_number,
            occurred_at=at,
            entries=(
                Entry(CASH, self.amount),
                Entry(premium_receivable(self.policy_number), -self.amount),
            ),
        )

    def _tell_failure(self, reason: str) -> None:
        self.record(
            InstalmentFailed(
                instalment_id=self.id,
                policy_id=self.policy_id,
                policy_number=self.policy_number,
                insurer_id=self.insurer_id,
                holder_id=self.holder_id,
                sequence=self.sequence,
                instalments=self.instalments,
                amount=self.amount,
                attempt=self.attempts,
                reason=reason,
            )
        )
