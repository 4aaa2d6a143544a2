from __future__ import annotations

import pytest

from robosure.contexts.payments.domain import Entry, Outcome, Payout, Status
from robosure.contexts.payments.events import PayoutCompleted, PayoutFailed
from robosure.kernel.errors import Invalid
from tests.unit.contexts.payments.factories import (
    NOON,
    a_payout,
    declined,
    eur,
    payout_requested,
)


def test_a_requested_payout_is_due_at_once() -> None:
    requested = payout_requested()
    payout = Payout.request(requested, at=NOON)
    assert payout.id == requested.payout_id
    assert payout.holder_id == requested.payee_id
    assert payout.status is Status.REQUESTED
    assert payout.next_attempt_at == NOON


@pytest.mark.parametrize("amount", ["0.00", "-1.00"])
def test_a_payout_that_is_not_positive_is_refused(amount: str) -> None:
    with pytest.raises(Invalid, match="payout not positive"):
        Payout.request(payout_requested(amount=eur(amount)), at=NOON)


def test_a_paid_settlement_leaves_the_cash() -> None:
    payout = a_payout()
    order = payout.ask(at=NOON)
    transaction = payout.record_outcome(Outcome(order.reference), at=NOON)
    assert payout.status is Status.PAID
    assert transaction is not None
    assert transaction.source == f"payout:{payout.id}"
    assert transaction.claim_id == payout.claim_id
    assert transaction.entries == (
        Entry("expenses:claims_paid", eur("750.00")),
        Entry("assets:cash", eur("-750.00")),
    )
    assert payout.pending_events == [
        PayoutCompleted(payout.id, payout.claim_id, eur("750.00"), NOON)
    ]


def test_a_declined_payout_waits_for_a_person() -> None:
    payout = a_payout()
    order = payout.ask(at=NOON)
    assert (
        payout.record_outcome(declined(order.reference, "account_closed"), at=NOON)
        is None
    )
    assert payout.status is Status.FAILED
    assert payout.next_attempt_at is None
    assert payout.pending_events == [
        PayoutFailed(payout.id, payout.claim_id, eur("750.00"), "account_closed")
    ]
