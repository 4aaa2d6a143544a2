"""The policy: cover sold to one holder, as an immutable stack of transactions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from robosure.contexts.policies.domain.rating import Rating
from robosure.contexts.policies.domain.tax import TaxLine
from robosure.contexts.policies.events import CoverInForce, InsuredRobot
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from robosure.kernel.time import Term, utc


class TransactionKind(StrEnum):
    """What a transaction does to a policy."""

    NEW_BUSINESS = "new_business"
    ENDORSEMENT = "endorsement"
    CANCELLATION = "cancellation"
    REINSTATEMENT = "reinstatement"
    RENEWAL = "renewal"
    REVERSAL = "reversal"


class PolicyStatus(StrEnum):
    """Where a policy stands on a day."""

    SCHEDULED = "scheduled"
    IN_FORCE = "in_force"
    ENDED = "ended"


@dataclass(frozen=True)
class Segment:
    """A span of cover on one set of terms at one price, net of tax."""

    span: Term
    robots: tuple[InsuredRobot, ...]
    coverages: tuple[CoverInForce, ...]
    premium: Money


@dataclass(eq=False, kw_only=True)
class Transaction:
    """One entry of a policy's stack. It is never changed; a reversal is another one.

    Attributes:
        sequence: 1 for the first; the order of issue.
        effective_on: first day on which it holds, in the policy's time zone.
        issued_at: when it was known.
        premium: by how much it changes the premium written; ``tax`` likewise.
        segments: all cover of the policy as it is after this transaction, in order.
    """

    id: UUID = field(default_factory=uuid7)
    sequence: int
    kind: TransactionKind
    effective_on: date
    issued_at: datetime
    premium: Money
    tax: Money
    segments: tuple[Segment, ...]


@dataclass(eq=False, kw_only=True)
class Policy(Aggregate):
    """Cover sold to one holder.

    Attributes:
        number: what people call it by: ``POL-2026-000042``.
        insurer_id: whose risk it is.
        holder_id: the operator's organisation.
        quote_id: of the quote that was bound.
        jurisdiction: whose taxes are charged.
        term: as sold.
        premium: written, net of tax.
        instalments: into how many payments the total is split.
        payment_method: the processor's token for the holder's means of payment.
        transactions: the stack, oldest first.
    """

    number: str
    insurer_id: UUID
    holder_id: UUID
    quote_id: UUID
    product_code: str
    product_version: int
    jurisdiction: str
    term: Term
    robots: tuple[InsuredRobot, ...]
    coverages: tuple[CoverInForce, ...]
    premium: Money
    taxes: tuple[TaxLine, ...]
    tax: Money
    instalments: int
    payment_method: str
    bound_at: datetime
    transactions: list[Transaction]

    @property
    def total(self) -> Money:
        """Premium and tax."""
        return self.premium + self.tax

    def as_known_at(self, moment: datetime) -> tuple[Segment, ...]:
        """Return all cover as it stood by what was issued until that moment."""
        known: tuple[Segment, ...] = ()
        for transaction in self.transactions:
            if transaction.issued_at <= utc(moment):
                known = transaction.segments
        return known

    def effective_on(self, day: date) -> Segment | None:
        """Return the cover of a day by the latest transaction; None: there is none."""
        for segment in self.transactions[-1].segments:
            if segment.span.covers_day(day):
                return segment
        return None

    def in_force_on(self, day: date) -> bool:
        """Whether there is cover on that day of the policy's time zone."""
        return self.effective_on(day) is not None


def new_business(rating: Rating, *, term: Term, at: datetime) -> Transaction:
    """Return the transaction with which a policy's stack begins."""
    segment = Segment(
        span=term,
        robots=tuple(rated.robot for rated in rating.robots),
        coverages=tuple(rated.cover for rated in rating.coverages),
        premium=rating.premium,
    )
    return Transaction(
        sequence=1,
        kind=TransactionKind.NEW_BUSINESS,
        effective_on=term.inception,
        issued_at=at,
        premium=rating.premium,
        tax=rating.tax,
        segments=(segment,),
    )
