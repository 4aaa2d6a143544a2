"""What a loss pays: the field's worked figures, the order of steps, the bounds."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.claims.domain.settlement import (
    Coinsurance,
    DeductibleOrder,
    LossValuation,
    Settlement,
    SettlementTerms,
    ValuationBasis,
    settle,
)
from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money
from tests.unit.contexts.claims.factories import eur

REPLACEMENT = ValuationBasis.REPLACEMENT_COST
CASH = ValuationBasis.ACTUAL_CASH_VALUE
EIGHTY_PERCENT = Coinsurance(Decimal("0.80"), eur("1000000.00"), eur("600000.00"))


def terms(
    *,
    deductible: str = "0.00",
    limit: str = "1000000.00",
    aggregate: str | None = None,
    coinsurance: Coinsurance | None = None,
    order: DeductibleOrder = DeductibleOrder.FIRST,
    sub_limit: str | None = None,
) -> SettlementTerms:
    return SettlementTerms(
        deductible=eur(deductible),
        limit=eur(limit),
        aggregate_remaining=eur(aggregate or limit),
        coinsurance=coinsurance,
        deductible_order=order,
        sub_limit=None if sub_limit is None else eur(sub_limit),
    )


def path(settlement: Settlement) -> list[tuple[str, str, str]]:
    return [
        (step.name, str(step.before.major), str(step.after.major))
        for step in settlement.steps
    ]


@pytest.mark.parametrize(
    ("order", "paid"),
    [(DeductibleOrder.FIRST, "36750.00"), (DeductibleOrder.LAST, "36500.00")],
)
def test_the_order_of_deductible_and_coinsurance_decides_as_the_form_says(
    order: DeductibleOrder, paid: str
) -> None:
    # given a value of 1,000,000, an 80 % clause and 600,000 carried
    form = terms(deductible="1000.00", coinsurance=EIGHTY_PERCENT, order=order)
    # when 50,000 is lost
    settlement = settle(LossValuation(REPLACEMENT, eur("50000.00")), form)
    # then three quarters are borne, of the loss before or after the deductible
    assert settlement.amount == eur(paid)


def test_a_silent_form_takes_the_deductible_first() -> None:
    form = SettlementTerms(
        deductible=eur("1000.00"),
        limit=eur("1000000.00"),
        aggregate_remaining=eur("1000000.00"),
        coinsurance=EIGHTY_PERCENT,
    )
    loss = LossValuation(REPLACEMENT, eur("50000.00"))
    assert settle(loss, form).amount == eur("36750.00")


@pytest.mark.parametrize(
    ("cash_value", "paid"), [("6000.00", "7304.69"), ("8000.00", "7500.00")]
)
def test_replacement_cost_pays_at_least_actual_cash_value_less_the_deductible(
    cash_value: str, paid: str
) -> None:
    # given 275,000 carried against 320,000 required, 80 % of 400,000
    underinsured = Coinsurance(Decimal("0.80"), eur("400000.00"), eur("275000.00"))
    form = terms(deductible="500.00", coinsurance=underinsured)
    # when what costs 9,000 to replace is lost
    loss = LossValuation(REPLACEMENT, eur("9000.00"), eur(cash_value))
    # then the larger of the two is paid
    assert settle(loss, form).amount == eur(paid)


def test_every_step_is_kept_in_order_and_goes_on_from_the_exact_figure() -> None:
    underinsured = Coinsurance(Decimal("0.80"), eur("400000.00"), eur("275000.00"))
    form = terms(
        deductible="500.00",
        coinsurance=underinsured,
        sub_limit="7000.00",
        limit="6500.00",
        aggregate="6000.00",
    )
    loss = LossValuation(REPLACEMENT, eur("9000.00"), eur("6000.00"))
    settlement = settle(loss, form)
    assert path(settlement) == [
        ("loss_value", "9000.00", "9000.00"),
        ("deductible", "9000.00", "8500.00"),
        ("coinsurance", "8500.00", "7304.69"),
        ("actual_cash_value", "7304.69", "7304.69"),
        ("sub_limit", "7304.69", "7000.00"),
        ("occurrence_limit", "7000.00", "6500.00"),
        ("aggregate_limit", "6500.00", "6000.00"),
    ]
    assert [step.explanation for step in settlement.steps] == [
        "valued at replacement cost",
        "less the deductible of 500.00 EUR",
        (
            "275,000.00 EUR carried against 320,000.00 EUR required: "
            "55/64 of the loss is borne"
        ),
        "at least the actual cash value of 6,000.00 EUR less the deductible",
        "bounded by the sub-limit, 7,000.00 EUR",
        "bounded by the limit per occurrence, 6,500.00 EUR",
        "bounded by what is left of the aggregate, 6,000.00 EUR",
    ]
    assert settlement.amount == eur("6000.00")


def test_a_plain_loss_shows_only_the_steps_that_apply() -> None:
    settlement = settle(
        LossValuation(CASH, eur("100.00")), terms(deductible="30.00", limit="1000.00")
    )
    assert path(settlement) == [
        ("loss_value", "100.00", "100.00"),
        ("deductible", "100.00", "70.00"),
        ("occurrence_limit", "70.00", "70.00"),
        ("aggregate_limit", "70.00", "70.00"),
    ]
    assert settlement.steps[2].explanation == (
        "within the limit per occurrence, 1,000.00 EUR"
    )


def test_a_loss_below_the_deductible_pays_nothing() -> None:
    loss = LossValuation(REPLACEMENT, eur("499.99"), eur("100.00"))
    assert settle(loss, terms(deductible="500.00")).amount == eur("0.00")


def test_the_amount_is_rounded_once_at_the_end() -> None:
    # given a clause under which a third is borne, and the deductible after it
    third = Coinsurance(Decimal(1), eur("0.03"), eur("0.01"))
    form = terms(deductible="0.01", coinsurance=third, order=DeductibleOrder.LAST)
    # when 0.05 is lost: 5/3 cents, less one, are 2/3 of a cent
    settlement = settle(LossValuation(CASH, eur("0.05")), form)
    # then a cent is paid, by way of figures that are shown rounded
    assert path(settlement)[1:3] == [
        ("coinsurance", "0.05", "0.02"),
        ("deductible", "0.02", "0.01"),
    ]
    assert settlement.amount == eur("0.01")


def test_full_insurance_bears_the_whole_loss() -> None:
    over = Coinsurance(Decimal("0.80"), eur("1000.00"), eur("900.00"))
    assert over.required == Fraction(80000)
    assert over.share == 1


def test_what_is_no_clause_or_no_loss_is_refused() -> None:
    for clause in ("0", "-0.5", "1.01"):
        with pytest.raises(Invalid, match="invalid coinsurance clause"):
            Coinsurance(Decimal(clause), eur("1.00"), eur("1.00"))
    with pytest.raises(Invalid, match="value at risk not positive"):
        Coinsurance(Decimal("0.8"), eur("0.00"), eur("1.00"))
    with pytest.raises(Invalid, match="negative amount"):
        Coinsurance(Decimal("0.8"), eur("1.00"), eur("-1.00"))
    with pytest.raises(Invalid, match=r"negative amount.*loss_value"):
        LossValuation(CASH, eur("-0.01"))
    with pytest.raises(Invalid, match=r"negative amount.*actual_cash_value"):
        LossValuation(REPLACEMENT, eur("1.00"), eur("-0.01"))
    with pytest.raises(Invalid, match="actual cash value given twice"):
        LossValuation(CASH, eur("1.00"), eur("1.00"))
    with pytest.raises(Invalid, match="actual cash value above replacement cost"):
        LossValuation(REPLACEMENT, eur("1.00"), eur("1.01"))
    with pytest.raises(Invalid, match=r"negative amount.*sub_limit"):
        terms(sub_limit="-1.00")


@pytest.mark.parametrize("where", ["loss", "cash", "sub_limit", "coinsurance"])
def test_amounts_of_two_currencies_are_refused(where: str) -> None:
    dollars = Money.of("1.00", "USD")
    loss = LossValuation(REPLACEMENT, eur("10.00"))
    form = terms()
    if where == "loss":
        loss = LossValuation(REPLACEMENT, dollars)
    elif where == "cash":
        object.__setattr__(loss, "actual_cash_value", dollars)
    elif where == "sub_limit":
        object.__setattr__(form, "sub_limit", dollars)
    else:
        clause = Coinsurance(Decimal("0.8"), dollars, eur("1.00"))
        object.__setattr__(form, "coinsurance", clause)
    with pytest.raises(Invalid, match="currency mismatch"):
        settle(loss, form)


amounts = st.integers(0, 10**10).map(lambda minor: Money(minor, "EUR"))
clauses = st.builds(
    Coinsurance,
    st.decimals(Decimal("0.01"), 1, places=2),
    amounts.filter(bool),
    amounts,
)
all_terms = st.builds(
    SettlementTerms,
    deductible=amounts,
    limit=amounts,
    aggregate_remaining=amounts,
    coinsurance=st.none() | clauses,
    deductible_order=st.sampled_from(DeductibleOrder),
    sub_limit=st.none() | amounts,
)


@given(value=amounts, floor_share=st.none() | st.integers(0, 100), form=all_terms)
def test_a_settlement_is_never_negative_and_never_above_a_limit_or_the_loss(
    value: Money, floor_share: int | None, form: SettlementTerms
) -> None:
    floor = None if floor_share is None else value.times(Fraction(floor_share, 100))
    settlement = settle(LossValuation(REPLACEMENT, value, floor), form)
    assert settlement.amount.minor >= 0
    assert settlement.amount <= min(form.limit, form.aggregate_remaining, value)
    if form.sub_limit is not None:
        assert settlement.amount <= form.sub_limit
    assert settlement.steps[-1].after == settlement.amount
    for before, after in zip(settlement.steps, settlement.steps[1:], strict=False):
        assert before.after == after.before


@given(value=amounts, more=amounts, form=all_terms)
def test_a_larger_loss_never_pays_less(
    value: Money, more: Money, form: SettlementTerms
) -> None:
    smaller = settle(LossValuation(CASH, value), form).amount
    assert settle(LossValuation(CASH, value + more), form).amount >= smaller


@given(value=amounts, more=amounts, share=st.integers(0, 100), form=all_terms)
def test_a_larger_replacement_cost_or_cash_value_never_pays_less(
    value: Money, more: Money, share: int, form: SettlementTerms
) -> None:
    floor = value.times(Fraction(share, 100))
    base = settle(LossValuation(REPLACEMENT, value, floor), form).amount
    dearer = LossValuation(REPLACEMENT, value + more, floor)
    better = LossValuation(REPLACEMENT, value, value)
    assert settle(dearer, form).amount >= base
    assert settle(better, form).amount >= base
