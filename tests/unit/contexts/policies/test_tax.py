from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.catalog.events import TaxRule
from robosure.contexts.policies.domain.tax import TaxLine, rules_for, tax_in, with_tax
from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money, total
from tests.unit.contexts.policies.factories import eur, terms_of


def test_1234_56_net_at_12_percent_is_148_15_tax_and_1382_71_gross() -> None:
    rule = TaxRule("GB", "Insurance premium tax", Decimal("0.12"))
    taxed = with_tax(eur("1234.56").exact, [rule], "EUR")
    assert (taxed.premium, taxed.tax) == (eur("1234.56"), eur("148.15"))
    assert taxed.total == eur("1382.71")


def test_tax_is_taken_on_the_exact_amount_and_not_on_the_rounded_one() -> None:
    # given 200.00 / 30 x 29, which is 193.33 and a third of a cent
    rule = TaxRule("XX", "Sales tax", Decimal("0.25"))
    # when 25 % is added
    taxed = with_tax(Fraction(20000, 30) * 29, [rule], "EUR")
    # then the total is 241.67, not 241.66, and the figures still add up
    assert taxed.total == eur("241.67")
    assert taxed.premium + taxed.tax == taxed.total


def test_a_gross_amount_at_12_percent_contains_three_28ths_of_tax() -> None:
    assert tax_in(eur("28.00"), Decimal("0.12")) == eur("3.00")
    assert tax_in(eur("1382.71"), Decimal("0.12")) == eur("148.15")


def test_several_taxes_share_the_tax_by_rate() -> None:
    rules = rules_for("IE", terms_of().taxes)
    taxed = with_tax(eur("100.10").exact, rules, "EUR")
    assert taxed.lines == (
        TaxLine("Government levy", Decimal("0.03"), eur("3.01")),
        TaxLine("Compensation fund", Decimal("0.02"), eur("2.00")),
    )
    assert taxed.tax == eur("5.01")


def test_a_rate_of_nothing_is_a_line_of_nothing() -> None:
    taxed = with_tax(eur("100.00").exact, rules_for("CH", terms_of().taxes), "EUR")
    assert taxed.lines == (TaxLine("Stempelabgabe", Decimal(0), eur("0.00")),)
    assert taxed.total == eur("100.00")


def test_a_jurisdiction_without_a_rule_is_not_offered() -> None:
    with pytest.raises(Invalid, match="jurisdiction not offered"):
        rules_for("FR", terms_of().taxes)


@given(
    premium=st.fractions(0, 10**10, max_denominator=10**6),
    rates=st.lists(st.decimals(0, 1, places=4), min_size=1, max_size=5),
)
def test_lines_tax_premium_and_total_always_reconcile(
    premium: Fraction, rates: list[Decimal]
) -> None:
    rules = [TaxRule("XX", f"Tax {i}", rate) for i, rate in enumerate(rates)]
    taxed = with_tax(premium, rules, "EUR")
    assert total((line.amount for line in taxed.lines), "EUR") == taxed.tax
    assert taxed.premium + taxed.tax == taxed.total
    exact_tax = premium * sum(map(Fraction, rates), Fraction(0))
    assert abs(taxed.tax.minor - exact_tax) <= 1
    assert taxed.total == Money.rounded(premium + exact_tax, "EUR")
