from __future__ import annotations

import pytest

from robosure.contexts.payments.domain import (
    Entry,
    Transaction,
    TransactionKind,
    premium_written,
)
from robosure.kernel.errors import Invalid
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from tests.unit.contexts.payments.factories import NOON, eur, policy_bound


def a_transaction(*entries: Entry) -> Transaction:
    return Transaction(
        kind=TransactionKind.PREMIUM_WRITTEN,
        source="policy:1",
        insurer_id=uuid7(),
        holder_id=uuid7(),
        reference="POL-2026-000001",
        occurred_at=NOON,
        entries=entries,
    )


def test_a_sale_is_owed_by_the_holder_as_premium_and_tax() -> None:
    # given cover for 1,000.00 and 12 % tax
    bound = policy_bound(total=eur("1120.00"), tax=eur("120.00"))
    # when it is booked
    transaction = premium_written(bound, at=NOON)
    # then the holder owes all of it, and it is premium and tax
    assert transaction.entries == (
        Entry("assets:premium_receivable:POL-2026-000001", eur("1120.00")),
        Entry("income:written_premium", eur("-1000.00")),
        Entry("liabilities:premium_tax", eur("-120.00")),
    )
    assert transaction.source == f"policy:{bound.policy_id}"
    assert transaction.policy_id == bound.policy_id
    assert transaction.claim_id is None


def test_untaxed_premium_makes_no_entry_for_tax() -> None:
    transaction = premium_written(policy_bound(total=eur("10.00")), at=NOON)
    assert [entry.account for entry in transaction.entries] == [
        "assets:premium_receivable:POL-2026-000001",
        "income:written_premium",
    ]


def test_debits_and_credits_that_differ_are_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        a_transaction(Entry("a", eur("1.00")), Entry("b", eur("-0.99")))
    assert refusal.value.code == "unbalanced_transaction"
    assert refusal.value.details["sums"] == {"EUR": 1}


def test_currencies_do_not_balance_one_another() -> None:
    with pytest.raises(Invalid, match="unbalanced transaction"):
        a_transaction(Entry("a", Money(5, "EUR")), Entry("b", Money(-5, "USD")))


def test_a_transaction_may_balance_in_several_currencies() -> None:
    entries = (
        Entry("a", Money(5, "EUR")), Entry("b", Money(-5, "EUR")),
        Entry("a", Money(7, "USD")), Entry("b", Money(-7, "USD")),
    )  # fmt: skip
    assert a_transaction(*entries).entries == entries


@pytest.mark.parametrize(
    "entries", [(), (Entry("a", Money(0, "EUR")),)], ids=["none", "of nothing"]
)
def test_a_transaction_without_effect_is_refused(entries: tuple[Entry, ...]) -> None:
    with pytest.raises(Invalid, match="empty ledger entry"):
        a_transaction(*entries)
