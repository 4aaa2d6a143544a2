"""Sharing money out: the shares sum exactly, by the largest remainder."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money, total


def eur(amount: str) -> Money:
    return Money.of(amount, "EUR")


def test_a_thousand_in_three_instalments() -> None:
    assert eur("1000.00").split(3) == [eur("333.34"), eur("333.33"), eur("333.33")]


def test_eight_in_three_instalments() -> None:
    assert eur("8.00").split(3) == [eur("2.67"), eur("2.67"), eur("2.66")]


@pytest.mark.parametrize(
    ("amount", "counts"),
    [
        ("100.00", {"8.34": 4, "8.33": 8}),
        ("1234.57", {"102.89": 1, "102.88": 11}),
        ("0.05", {"0.01": 5, "0.00": 7}),
    ],
)
def test_twelve_instalments_with_the_larger_ones_first(
    amount: str, counts: dict[str, int]
) -> None:
    parts = eur(amount).split(12)
    assert Counter(parts) == {eur(part): count for part, count in counts.items()}
    assert parts == sorted(parts, reverse=True)


def test_a_debt_is_split_like_a_claim() -> None:
    assert eur("-8.00").split(3) == [eur("-2.67"), eur("-2.67"), eur("-2.66")]


def test_a_currency_without_a_minor_unit_splits_into_whole_units() -> None:
    assert Money(100, "JPY").split(3) == [Money(n, "JPY") for n in (34, 33, 33)]


@pytest.mark.parametrize("parts", [0, -1])
def test_splitting_into_nothing_is_refused(parts: int) -> None:
    with pytest.raises(Invalid) as refused:
        eur("1.00").split(parts)
    assert refused.value.code == "split_needs_parts"


def test_the_largest_remainder_gets_the_unit_that_is_left() -> None:
    # given 1.00 shared 1 : 2 : 3, exactly 16.67, 33.33 and 50 cents
    # then the first, with the largest remainder, is rounded up
    assert eur("1.00").allocate([1, 2, 3]) == [eur("0.17"), eur("0.33"), eur("0.50")]


def test_weights_may_be_rates_or_fractions_or_nothing() -> None:
    weights: list[int | Decimal | Fraction] = [Decimal("0.25"), Fraction(3, 4), 0]
    assert eur("0.10").allocate(weights) == [eur("0.03"), eur("0.07"), eur("0")]


@pytest.mark.parametrize(
    "weights", [[], [0, 0], [-1, 2], [Decimal("-0.5")], [3, -1, -1]]
)
def test_weights_that_share_nothing_out_are_refused(weights: list[int]) -> None:
    with pytest.raises(Invalid) as refused:
        eur("1.00").allocate(weights)
    assert refused.value.code == "invalid_weights"


@given(st.integers(-(10**14), 10**14), st.integers(1, 200))
def test_even_shares_sum_exactly_and_differ_by_one_unit_at_most(
    minor: int, parts: int
) -> None:
    money = Money(minor, "EUR")
    shares = money.split(parts)
    assert len(shares) == parts
    assert total(shares, "EUR") == money
    assert max(shares) - min(shares) <= Money(1, "EUR")


@given(
    st.integers(-(10**14), 10**14),
    st.lists(
        st.fractions(min_value=0, max_value=10**6),
        min_size=1,
        max_size=50,
    ).filter(any),
)
def test_weighted_shares_sum_exactly_and_miss_theirs_by_less_than_a_unit(
    minor: int, weights: list[Fraction]
) -> None:
    money = Money(minor, "EUR")
    shares = money.allocate(weights)
    assert total(shares, "EUR") == money
    sum_of_weights = sum(weights, Fraction(0))
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share.exact - minor * weight / sum_of_weights) < 1
