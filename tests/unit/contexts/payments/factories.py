"""Valid facts and aggregates of payments; a test sets only what it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

from robosure.contexts.claims.events import PayoutRequested
from robosure.contexts.payments.domain import Instalment, Outcome, Payout
from robosure.contexts.policies.events import PolicyBound
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from robosure.kernel.time import Term

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def eur(amount: str) -> Money:
    return Money.of(amount, "EUR")


def policy_bound(
    *,
    total: Money | None = None,
    tax: Money | None = None,
    instalments: int = 1,
    payment_method: str = "tok_ok",
    bound_on: date = date(2026, 3, 2),
    time_zone: str = "UTC",
    insurer_id: UUID | None = None,
    holder_id: UUID | None = None,
    number: str = "POL-2026-000001",
) -> PolicyBound:
    total = eur("1120.00") if total is None else total
    tax = Money.zero(total.currency) if tax is None else tax
    return PolicyBound(
        policy_id=uuid7(),
        number=number,
        insurer_id=insurer_id or uuid7(),
        holder_id=holder_id or uuid7(),
        product_code="robot-comprehensive",
        product_version=1,
        term=Term.annual(bound_on, time_zone),
        robots=(),
        coverages=(),
        premium=total - tax,
        tax=tax,
        total=total,
        instalments=instalments,
        payment_method=payment_method,
        bound_on=bound_on,
    )


def payout_requested(
    *,
    amount: Money | None = None,
    payment_method: str = "tok_ok",
    insurer_id: UUID | None = None,
    payee_id: UUID | None = None,
) -> PayoutRequested:
    return PayoutRequested(
        payout_id=uuid7(),
        claim_id=uuid7(),
        claim_number="CLM-2026-000001",
        insurer_id=insurer_id or uuid7(),
        payee_id=payee_id or uuid7(),
        amount=eur("750.00") if amount is None else amount,
        payment_method=payment_method,
    )


def an_instalment(*, amount: Money | None = None) -> Instalment:
    (instalment,) = Instalment.plan(policy_bound(total=amount))
    return instalment


def a_payout() -> Payout:
    return Payout.request(payout_requested(), at=NOON)


def declined(reference: str, reason: str = "card_declined") -> Outcome:
    return Outcome(reference, reason)
