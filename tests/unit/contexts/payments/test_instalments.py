from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.payments.domain import Entry, Instalment, Outcome, Status
from robosure.contexts.payments.events import InstalmentFailed, InstalmentPaid
from robosure.kernel.errors import Invalid, InvalidState
from robosure.kernel.money import Money, total
from tests.unit.contexts.payments.factories import (
    NOON,
    an_instalment,
    declined,
    eur,
    policy_bound,
)


@pytest.mark.parametrize(
    ("amount", "parts", "expected"),
    [
        ("1000.00", 3, ["333.34", "333.33", "333.33"]),
        ("100.00", 12, ["8.34"] * 4 + ["8.33"] * 8),
        ("1234.57", 12, ["102.89"] + ["102.88"] * 11),
        ("8.00", 3, ["2.67", "2.67", "2.66"]),
    ],
)
def test_a_total_is_split_by_the_largest_remainder(
    amount: str, parts: int, expected: list[str]
) -> None:
    plan = Instalment.plan(policy_bound(total=eur(amount), instalments=parts))
    assert [instalment.amount for instalment in plan] == [eur(e) for e in expected]
    assert [i.sequence for i in plan] == list(range(1, parts + 1))
    assert {i.instalments for i in plan} == {parts}


@given(
    minor=st.integers(1, 10**12),
    parts=st.integers(1, 12),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_instalments_sum_to_the_total(minor: int, parts: int, currency: str) -> None:
    plan = Instalment.plan(
        policy_bound(total=Money(minor, currency), instalments=parts)
    )
    assert total((i.amount for i in plan), currency) == Money(minor, currency)
    assert all(i.amount.minor > 0 for i in plan)
    assert max(i.amount.minor for i in plan) - min(i.amount.minor for i in plan) <= 1


def test_the_first_is_due_on_the_day_of_binding_and_the_others_over_the_year() -> None:
    # given cover bound on the last day of January, in four instalments
    bound = policy_bound(instalments=4, bound_on=date(2026, 1, 31))
    # when they are planned
    due = [instalment.due_on for instalment in Instalment.plan(bound)]
    # then they fall a quarter apart, within shorter months
    assert due == [
        date(2026, 1, 31), date(2026, 4, 30), date(2026, 7, 31), date(2026, 10, 31),
    ]  # fmt: skip


def test_a_number_that_does_not_divide_the_year_is_spread_over_it() -> None:
    plan = Instalment.plan(policy_bound(instalments=5, bound_on=date(2026, 1, 1)))
    assert [i.due_on.month for i in plan] == [1, 3, 5, 8, 10]


def test_an_instalment_is_due_when_its_day_begins_where_the_policy_is() -> None:
    bound = policy_bound(bound_on=date(2026, 3, 2), time_zone="America/New_York")
    (instalment,) = Instalment.plan(bound)
    assert instalment.next_attempt_at == datetime(2026, 3, 2, 5, tzinfo=UTC)


def test_an_amount_smaller_than_its_instalments_makes_fewer() -> None:
    plan = Instalment.plan(policy_bound(total=eur("0.02"), instalments=3))
    assert [(i.amount, i.instalments) for i in plan] == [(eur("0.01"), 2)] * 2


@pytest.mark.parametrize("amount", ["0.00", "-1.00"])
def test_a_total_that_is_not_positive_cannot_be_collected(amount: str) -> None:
    with pytest.raises(Invalid, match="total not positive"):
        Instalment.plan(policy_bound(total=eur(amount)))


@pytest.mark.parametrize("count", [0, 13])
def test_there_is_at_least_one_instalment_and_at_most_one_a_month(count: int) -> None:
    with pytest.raises(Invalid, match="invalid instalments"):
        Instalment.plan(policy_bound(instalments=count))


def test_a_collected_instalment_is_cash_instead_of_a_receivable() -> None:
    # given an instalment that is being charged
    instalment = an_instalment(amount=eur("99.00"))
    order = instalment.ask(at=NOON)
    # when the processor has the money
    transaction = instalment.record_outcome(Outcome(order.reference), at=NOON)
    # then it is paid, booked and told
    assert instalment.status is Status.PAID
    assert instalment.paid_at == NOON
    assert instalment.next_attempt_at is None
    assert transaction is not None
    assert transaction.source == f"charge:{instalment.id}"
    assert transaction.entries == (
        Entry("assets:cash", eur("99.00")),
        Entry("assets:premium_receivable:POL-2026-000001", eur("-99.00")),
    )
    assert instalment.pending_events == [
        InstalmentPaid(
            instalment_id=instalment.id,
            policy_id=instalment.policy_id,
            policy_number="POL-2026-000001",
            insurer_id=instalment.insurer_id,
            holder_id=instalment.holder_id,
            sequence=1,
            instalments=1,
            amount=eur("99.00"),
            paid_at=NOON,
        )
    ]


def test_a_declined_instalment_is_tried_again_after_1_3_and_5_days() -> None:
    # given an instalment whose card is declined again and again
    instalment = an_instalment()
    now, waits = NOON, list[timedelta | None]()
    for attempt in range(1, 5):
        order = instalment.ask(at=now)
        assert order.reference == f"{instalment.id}:{attempt}"
        # when the attempt is declined
        assert instalment.record_outcome(declined(order.reference), at=now) is None
        due = instalment.next_attempt_at
        waits.append(due - now if due else None)
        now = due or now
    # then there are three more attempts, and then none
    assert waits == [
        timedelta(days=1), timedelta(days=3), timedelta(days=5), None,
    ]  # fmt: skip
    assert instalment.status is Status.FAILED
    assert instalment.failure_reason == "card_declined"
    told = instalment.pending_events
    assert [e.attempt for e in told if isinstance(e, InstalmentFailed)] == [1, 2, 3, 4]


def test_a_success_after_a_failure_forgets_the_reason() -> None:
    instalment = an_instalment()
    order = instalment.ask(at=NOON)
    instalment.record_outcome(declined(order.reference), at=NOON)
    later = NOON + timedelta(days=1)
    again = instalment.ask(at=later)
    instalment.record_outcome(Outcome(again.reference), at=later)
    assert instalment.status is Status.PAID
    assert instalment.failure_reason is None


def test_a_failed_instalment_may_be_retried_at_once_with_another_card() -> None:
    # given an instalment declined today, to be tried tomorrow
    instalment = an_instalment()
    order = instalment.ask(at=NOON)
    instalment.record_outcome(declined(order.reference), at=NOON)
    # when a person retries it with another means of payment
    instalment.retry(at=NOON, payment_method="tok_other")
    # then it is due now, under a new reference
    again = instalment.ask(at=NOON)
    assert again == replace(
        order, reference=f"{instalment.id}:2", method="tok_other", asked_before=False
    )


def test_a_retry_keeps_the_means_of_payment_unless_told_another() -> None:
    instalment = an_instalment()
    order = instalment.ask(at=NOON)
    instalment.record_outcome(declined(order.reference), at=NOON)
    instalment.retry(at=NOON)
    assert instalment.payment_method == "tok_ok"


def test_only_a_failed_instalment_is_retried() -> None:
    instalment = an_instalment()
    instalment.ask(at=NOON)
    with pytest.raises(InvalidState, match="instalment not failed"):
        instalment.retry(at=NOON, payment_method="tok_other")
    assert instalment.status is Status.CHARGING
    assert instalment.payment_method == "tok_ok"
