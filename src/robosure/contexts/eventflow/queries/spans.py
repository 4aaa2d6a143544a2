"""Days, walked from the newest to the oldest in growing steps.

A query over all partitions would ask every one of them, though what is listed first is
in the newest. So a list is read span by span: what is to come, the days around the
last, and then two, four, eight days before that, until the page is full.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, NamedTuple

AHEAD: Final = 7
"""For how many days from now partitions are made."""
BEHIND: Final = 400
"""How many days back there are partitions, at most; older events share one."""
_DAY: Final = timedelta(days=1)


class Span(NamedTuple):
    """Days from ``first`` to ``last``, both included."""

    first: date
    last: date


def spans(first: date, last: date, *, today: date) -> Iterator[Span]:
    """Cut the days from ``last`` back to ``first`` into spans, without a gap.

    What lies beyond the days that have partitions is one span on either side.
    """
    newest, oldest = today + AHEAD * _DAY, today - BEHIND * _DAY
    if last > newest:
        yield Span(max(first, newest + _DAY), last)
    if last >= oldest and first <= newest:
        yield from _growing(max(first, oldest), min(last, newest), today=today)
    if first < oldest:
        yield Span(first, min(last, oldest - _DAY))


def _growing(first: date, last: date, *, today: date) -> Iterator[Span]:
    step = 2
    # Nothing but clocks a little fast is after today: one span with the last two days.
    start = min(last, today) - (step - 1) * _DAY
    while last >= first:
        start = max(start, first)
        yield Span(start, last)
        last = start - _DAY
        step *= 2
        start = _before(last, step)


def _before(day: date, step: int) -> date:
    back = min(step - 1, day.toordinal() - 1)
    return day - back * _DAY
