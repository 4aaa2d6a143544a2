"""Money: exact, of one currency, rounded once and half-up."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money, minor_digits, round_half_up, total


def eur(amount: str) -> Money:
    return Money.of(amount, "EUR")


def test_an_amount_is_counted_in_minor_units() -> None:
    assert eur("1234.56") == Money(123_456, "EUR")
    assert eur("1234.56").major == Decimal("1234.56")
    assert Money.of(7, "EUR") == Money(700, "EUR")
    assert Money.of(Decimal("-0.10"), "EUR") == Money(-10, "EUR")


@pytest.mark.parametrize(
    ("currency", "digits", "minor"),
    [("EUR", 2, 1200), ("JPY", 0, 12), ("BHD", 3, 12_000), ("CLF", 4, 120_000)],
)
def test_each_currency_has_its_own_minor_unit(
    currency: str, digits: int, minor: int
) -> None:
    assert minor_digits(currency) == digits
    assert Money.of("12", currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("amount", "currency"), [("0.5", "JPY"), ("0.001", "EUR"), ("0.0001", "BHD")]
)
def test_more_digits_than_the_minor_unit_are_refused(
    amount: str, currency: str
) -> None:
    with pytest.raises(Invalid) as refused:
        Money.of(amount, currency)
    assert refused.value.code == "too_many_digits"


@pytest.mark.parametrize("amount", ["twelve", "", "NaN", "Infinity", "1,000.00"])
def test_what_is_no_number_is_refused(amount: str) -> None:
    with pytest.raises(Invalid) as refused:
        Money.of(amount, "EUR")
    assert refused.value.code == "invalid_amount"
    assert refused.value.details == {"amount": amount}


@pytest.mark.parametrize("currency", ["eur", "EURO", "E1R", "", "EUR\n"])
def test_what_is_no_currency_code_is_refused(currency: str) -> None:
    with pytest.raises(Invalid) as refused:
        Money(1, currency)
    assert refused.value.code == "invalid_currency"


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [("1/2", 1), ("-1/2", -1), ("3/2", 2), ("5/2", 3), ("-5/2", -3), ("49/100", 0)],
)
def test_halves_are_rounded_away_from_zero(exact: str, rounded: int) -> None:
    assert round_half_up(Fraction(exact)) == rounded


def test_multiplying_rounds_once_at_the_end() -> None:
    # given 1,200.00 for 365 days, of which 231 are left
    # then 231/365 goes back; at 90 % it is taken from the exact amount
    assert eur("1200.00").times(Fraction(231, 365)) == eur("759.45")
    short_rate = Fraction(231, 365) * Fraction(9, 10)
    assert eur("1200.00").times(short_rate) == eur("683.51")
    assert Money.rounded(eur("1200.00").exact * short_rate, "EUR") == eur("683.51")


def test_insurance_premium_tax_of_12_percent() -> None:
    tax = eur("1234.56").times(Decimal("0.12"))
    assert tax == eur("148.15")
    assert eur("1234.56") + tax == eur("1382.71")


def test_a_negative_amount_rounds_like_its_positive() -> None:
    assert Money(-1, "EUR").times(Fraction(1, 2)) == Money(-1, "EUR")
    assert Money(-5, "EUR").times(Decimal("0.5")) == Money(-3, "EUR")


def test_amounts_of_one_currency_add_subtract_and_compare() -> None:
    assert eur("2.50") + eur("0.75") == eur("3.25")
    assert eur("2.50") - eur("3.00") == eur("-0.50")
    assert -eur("2.50") == eur("-2.50")
    assert abs(eur("-2.50")) == eur("2.50")
    assert eur("1.00") < eur("1.01") <= eur("1.01")
    assert eur("1.01") > eur("1.00") >= eur("1.00")
    assert sorted([eur("2"), eur("-1"), eur("0")]) == [eur("-1"), eur("0"), eur("2")]
    assert eur("0.01")
    assert not Money.zero("EUR")
    assert Money(1, "EUR") != Money(1, "USD")


def test_sums_of_many_amounts() -> None:
    assert total([eur("1.10"), eur("2.20")], "EUR") == eur("3.30")
    assert total([], "EUR") == Money.zero("EUR")


@pytest.mark.parametrize("operation", ["__add__", "__sub__", "__lt__", "__ge__"])
def test_two_currencies_do_not_mix(operation: str) -> None:
    with pytest.raises(Invalid) as refused:
        getattr(eur("1"), operation)(Money.of("1", "USD"))
    assert refused.value.code == "currency_mismatch"
    assert refused.value.details == {"left": "EUR", "right": "USD"}


@pytest.mark.parametrize(
    ("money", "shown"),
    [
        (Money(123_456, "EUR"), "1,234.56 EUR"),
        (Money(-5, "EUR"), "-0.05 EUR"),
        (Money(1234, "JPY"), "1,234 JPY"),
        (Money(1234, "BHD"), "1.234 BHD"),
    ],
)
def test_it_reads_as_people_write_it(money: Money, shown: str) -> None:
    assert str(money) == shown


@given(st.decimals(places=2, min_value=-(10**12), max_value=10**12))
def test_major_units_come_back_as_they_went_in(amount: Decimal) -> None:
    assert Money.of(amount, "EUR").major == amount


@given(
    st.integers(-(10**15), 10**15),
    st.fractions(min_value=-1000, max_value=1000, max_denominator=10**6),
)
def test_rounding_is_never_off_by_more_than_half_a_unit(
    minor: int, factor: Fraction
) -> None:
    exact = minor * factor
    rounded = Money(minor, "EUR").times(factor)
    assert abs(rounded.exact - exact) <= Fraction(1, 2)
    assert Money(-minor, "EUR").times(factor) == -rounded
