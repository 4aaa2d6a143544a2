"""A movement of money through a processor that may time out, or answer twice.

The processor is asked outside any transaction: one transaction says that it is being
asked and under which reference, another records what it answered. Whatever dies in
between leaves a movement that is being asked and becomes due again after
:data:`PATIENCE`; then the processor is asked again under the same reference, which it
has promised to perform once. An outcome is recorded once, however often it arrives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from robosure.contexts.payments.domain.ledger import Transaction
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import InvalidState, NotFound
from robosure.kernel.money import Money

PATIENCE: Final = timedelta(seconds=60)
"""How long an answer may take before the processor is asked again."""


class Status(StrEnum):
    """Where a movement is; an instalment charges, a payout pays."""

    SCHEDULED = "scheduled"
    CHARGING = "charging"
    REQUESTED = "requested"
    PAYING = "paying"
    PAID = "paid"
    FAILED = "failed"


class Operation(StrEnum):
    """What a processor can be asked to do."""

    CHARGE = "charge"
    PAYOUT = "payout"


@dataclass(frozen=True)
class Order:
    """What the processor is asked to do.

    Attributes:
        reference: the processor performs a reference once, however often it is asked.
        asked_before: it may have been performed already; ask for its outcome first.
    """

    operation: Operation
    reference: str
    amount: Money
    method: str
    asked_before: bool


@dataclass(frozen=True)
class Outcome:
    """What came of an order, once and for all.

    Attributes:
        declined: why the processor refused, such as ``card_declined``; None where the
            money moved.
    """

    reference: str
    declined: str | None = None

    @property
    def movement_id(self) -> UUID:
        """Whose attempt it was.

        Raises:
            NotFound: no movement was ever asked for under such a reference.
        """
        try:
            return UUID(self.reference.partition(":")[0])
        except ValueError as error:
            raise NotFound(
                "payment_order_not_found", reference=self.reference
            ) from error


@dataclass(eq=False, kw_only=True)
class Movement(Aggregate, ABC):
    """Money that is to move once.

    Attributes:
        holder_id: the organisation that pays an instalment or is paid a settlement.
        payment_method: the processor's token.
        attempts: how many references were made; 0 before the first.
        next_attempt_at: when there is something to do: ask, ask again because no answer
            came, or try again after a refusal. None when there is nothing left to do.
        failure_reason: of the latest attempt, if it was declined.
    """

    operation: ClassVar[Operation]
    asking: ClassVar[Status]
    retry_after: ClassVar[tuple[timedelta, ...]] = ()

    insurer_id: UUID
    holder_id: UUID
    amount: Money
    payment_method: str
    status: Status
    next_attempt_at: datetime | None
    attempts: int = 0
    paid_at: datetime | None = None
    failure_reason: str | None = None

    @property
    def reference(self) -> str:
        """The processor's reference of the latest attempt."""
        return f"{self.id}:{self.attempts}"

    def ask(self, *, at: datetime) -> Order:
        """Say that the processor is being asked from now on, and for what.

        Raises:
            InvalidState: there is nothing to do, or not yet.
        """
        if self.next_attempt_at is None or at < self.next_attempt_at:
            raise InvalidState("movement_not_due", id=self.id, status=self.status)
        asked_before = self.status is self.asking
        if not asked_before:
            self.attempts += 1
            self.status = self.asking
        self.next_attempt_at = at + PATIENCE
        return Order(
            operation=self.operation,
            reference=self.reference,
            amount=self.amount,
            method=self.payment_method,
            asked_before=asked_before,
        )

    def record_outcome(self, outcome: Outcome, *, at: datetime) -> Transaction | None:
        """Take the processor's answer; one that is known already changes nothing.

        Returns:
            What the answer does to the books, if it is news and money moved.

        Raises:
            NotFound: the reference is none of this movement's.
            InvalidState: the outcome contradicts the one recorded for its reference;
                nothing is changed, because a person has to find out which one is true.
        """
        if outcome.reference not in self._references():
            raise NotFound("payment_order_not_found", reference=outcome.reference)
        is_latest = outcome.reference == self.reference
        if self.status is not self.asking or not is_latest:
            succeeded = self.status is Status.PAID and is_latest
            if succeeded != (outcome.declined is None):
                raise InvalidState("contradicting_outcome", reference=outcome.reference)
            return None
        if outcome.declined is not None:
            self._fail(outcome.declined, at)
            return None
        self.status = Status.PAID
        self.next_attempt_at = None
        self.paid_at = at
        self.failure_reason = None
        return self._settle(at)

    def _references(self) -> set[str]:
        return {f"{self.id}:{attempt + 1}" for attempt in range(self.attempts)}

    def _fail(self, reason: str, at: datetime) -> None:
        self.status = Status.FAILED
        self.failure_reason = reason
        retries = self.attempts - 1
        self.next_attempt_at = (
            at + self.retry_after[retries] if retries < len(self.retry_after) else None
        )
        self._tell_failure(reason)

    @abstractmethod
    def _settle(self, at: datetime) -> Transaction:
        """Tell that the money moved, and return what that does to the books."""

    @abstractmethod
    def _tell_failure(self, reason: str) -> None:
        """Tell that the latest attempt was declined."""
