"""How premium follows time: day counts, earned premium, returns and endorsements.

Every amount is calculated exactly and rounded half-up once, at the end.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money
from robosure.kernel.time import Term

PRO_RATA: Final = Decimal(1)
"""The whole of the unearned premium is returned."""


class DayCount(StrEnum):
    """How much of a year lies between two days."""

    ACTUAL_TERM = "actual/term"
    """Days over the days of the year of cover from the first day: 365, or 366."""
    ACTUAL_365 = "actual/365"
    """Days over 365, whatever the year."""
    THIRTY_360 = "30/360"
    """Months of 30 days, as ISDA 2006, section 4.16(f), bond basis."""


def share_of_year(
    start: date, end: date, day_count: DayCount = DayCount.ACTUAL_TERM
) -> Fraction:
    """Return the exact share of an annual rate that the days from start to end cost.

    Args:
        start: first day counted.
        end: first day not counted.
        day_count: the convention.
    """
    if day_count is DayCount.THIRTY_360:
        first = min(start.day, 30)
        last = 30 if end.day == 31 and first == 30 else end.day  # noqa: PLR2004 - 30/360
        months = (end.year - start.year) * 12 + end.month - start.month
        return Fraction(months * 30 + last - first, 360)
    days = (end - start).days
    if day_count is DayCount.ACTUAL_365:
        return Fraction(days, 365)
    return Fraction(days, Term.annual(start).days)


def unearned(premium: Money, term: Term, day: date) -> Money:
    """Return the premium of the days from that day to expiry."""
    return Money.rounded(_unearned(premium, term, day), premium.currency)


def earned(premium: Money, term: Term, day: date) -> Money:
    """Return the premium of the days before that day.

    Earned and unearned premium always sum to the written premium.
    """
    return premium - unearned(premium, term, day)


def refund(
    premium: Money, term: Term, day: date, *, returned: Decimal = PRO_RATA
) -> Money:
    """Return what goes back when cover for which all was paid ends on that day.

    Args:
        premium: written for the term.
        term: of the cover as sold.
        day: first day without cover.
        returned: the share of unearned premium that is returned: 1 is pro rata, less
            is short rate.

    Raises:
        Invalid: the share is not between 0 and 1.
    """
    if not 0 <= returned <= 1:
        raise Invalid("invalid_returned_share", returned=str(returned))
    exact = _unearned(premium, term, day) * Fraction(returned)
    return Money.rounded(exact, premium.currency)


def endorsement_premium(old: Money, new: Money, term: Term, day: date) -> Money:
    """Return the charge, or the return if negative, for a change from that day on.

    Args:
        old: premium of the whole term on the terms until now.
        new: premium of the whole term on the changed terms.
        term: of the cover.
        day: first day on the changed terms.
    """
    return unearned(new - old, term, day)


def _unearned(premium: Money, term: Term, day: date) -> Fraction:
    return premium.exact * Fraction(term.remaining_from(day), term.days)
