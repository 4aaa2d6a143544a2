"""Retention counts from the end of a calendar year."""

from __future__ import annotations

from datetime import date

import pytest

from robosure.platform.privacy import first_day_kept, kept_until


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2026, 12, 31)])
def test_what_is_kept_for_ten_years_is_kept_to_the_end_of_the_tenth(day: date) -> None:
    assert kept_until(day, years=10) == date(2036, 12, 31)


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2026, 7, 1)])
def test_a_day_is_kept_on_its_last_day_and_no_longer(day: date) -> None:
    last = kept_until(day, years=6)
    assert first_day_kept(last, years=6) <= day
    assert first_day_kept(date(last.year + 1, 1, 1), years=6) > day
