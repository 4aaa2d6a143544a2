from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.policies.domain.proration import (
    DayCount,
    earned,
    endorsement_premium,
    refund,
    share_of_year,
    unearned,
)
from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money
from robosure.kernel.time import Term
from tests.unit.contexts.policies.factories import eur

YEAR_2025 = Term(date(2025, 1, 1), date(2026, 1, 1))
NINETY_PERCENT = Decimal("0.90")


def test_cancelling_early_returns_the_premium_of_the_231_days_left() -> None:
    # given a year for 1,200.00 / when it ends on 15 May
    day = date(2025, 5, 15)
    # then 231/365 goes back, and the rest is earned
    assert refund(eur("1200.00"), YEAR_2025, day) == eur("759.45")
    assert earned(eur("1200.00"), YEAR_2025, day) == eur("440.55")


def test_short_rate_is_taken_on_the_exact_refund_and_not_on_the_rounded_one() -> None:
    returned = refund(
        eur("1200.00"), YEAR_2025, date(2025, 5, 15), returned=NINETY_PERCENT
    )
    assert returned == eur("683.51")


def test_500_after_150_of_365_days_returns_294_52_or_265_07_at_short_rate() -> None:
    day = YEAR_2025.inception + timedelta(days=150)
    assert refund(eur("500.00"), YEAR_2025, day) == eur("294.52")
    short = refund(eur("500.00"), YEAR_2025, day, returned=NINETY_PERCENT)
    assert short == eur("265.07")


def test_cancelling_from_inception_returns_everything_and_from_expiry_nothing() -> None:
    assert refund(eur("1.01"), YEAR_2025, YEAR_2025.inception) == eur("1.01")
    assert refund(eur("1.01"), YEAR_2025, YEAR_2025.expiry) == eur("0.00")


@pytest.mark.parametrize("share", ["-0.01", "1.01"])
def test_a_returned_share_that_is_no_share_is_refused(share: str) -> None:
    with pytest.raises(Invalid, match="invalid returned share"):
        refund(eur("1.00"), YEAR_2025, YEAR_2025.inception, returned=Decimal(share))


@pytest.mark.parametrize(
    ("day_count", "premium"),
    [
        (DayCount.THIRTY_360, "600.00"),
        (DayCount.ACTUAL_365, "595.07"),
        (DayCount.ACTUAL_TERM, "595.07"),
    ],
)
def test_half_a_year_of_1200_depends_on_the_day_count(
    day_count: DayCount, premium: str
) -> None:
    share = share_of_year(date(2025, 1, 31), date(2025, 7, 31), day_count)
    assert Money.rounded(eur("1200.00").exact * share, "EUR") == eur(premium)


def test_thirty_360_leaves_the_31st_be_unless_it_began_at_a_months_end() -> None:
    share = share_of_year(date(2025, 1, 15), date(2025, 3, 31), DayCount.THIRTY_360)
    assert share == Fraction(76, 360)


def test_a_year_of_cover_is_a_whole_year_leap_or_not() -> None:
    assert share_of_year(date(2024, 1, 1), date(2025, 1, 1)) == 1
    assert share_of_year(date(2025, 1, 1), date(2026, 1, 1)) == 1
    leap = share_of_year(date(2024, 1, 1), date(2025, 1, 1), DayCount.ACTUAL_365)
    assert leap == Fraction(366, 365)


def test_in_a_leap_term_the_days_left_are_out_of_366() -> None:
    leap = Term(date(2024, 1, 1), date(2025, 1, 1))
    assert unearned(eur("1200.00"), leap, date(2024, 7, 1)) == eur("603.28")


def test_two_endorsements_charge_243_and_121_and_the_total_is_729() -> None:
    # given a year for 365.00
    year = Term(date(2017, 1, 1), date(2018, 1, 1))
    # when it is 730.00 from 3 May, and 1,095.00 from 2 September
    first = endorsement_premium(eur("365.00"), eur("730.00"), year, date(2017, 5, 3))
    second = endorsement_premium(eur("730.00"), eur("1095.00"), year, date(2017, 9, 2))
    # then each charges the difference for the days left
    assert first == eur("243.00")
    assert eur("365.00") + first == eur("608.00")
    assert second == eur("121.00")
    assert eur("608.00") + second == eur("729.00")


def test_less_cover_from_a_day_on_returns_the_difference() -> None:
    year = Term(date(2017, 1, 1), date(2018, 1, 1))
    change = endorsement_premium(eur("730.00"), eur("365.00"), year, date(2017, 5, 3))
    assert change == eur("-243.00")


@given(
    minor=st.integers(0, 10**12),
    inception=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    days=st.integers(1, 366),
    offset=st.integers(-10, 400),
)
def test_earned_and_unearned_always_sum_to_the_written_premium(
    minor: int, inception: date, days: int, offset: int
) -> None:
    written = Money(minor, "EUR")
    term = Term(inception, inception + timedelta(days=days))
    day = inception + timedelta(days=offset)
    parts = earned(written, term, day), unearned(written, term, day)
    assert parts[0] + parts[1] == written
    assert all(0 <= part.minor <= minor for part in parts)
