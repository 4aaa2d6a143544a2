"""Time: instants are UTC, days are local, terms run from date to date."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from robosure.kernel.errors import Invalid
from robosure.kernel.time import (
    SystemClock,
    Term,
    add_months,
    local_day,
    start_of_day,
    utc,
    zone,
)


def test_the_machines_clock_tells_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.utcoffset() == timedelta(0)
    assert before <= now <= datetime.now(UTC)


def test_an_aware_datetime_becomes_utc() -> None:
    half_past_five_ahead = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 1, 1, 2, 0, tzinfo=half_past_five_ahead)
    assert utc(moment) == datetime(2025, 12, 31, 20, 30, tzinfo=UTC)
    assert utc(moment).tzinfo is UTC


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        utc(datetime(2026, 1, 1))  # noqa: DTZ001 - what it is about
    assert refused.value.code == "naive_datetime"


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "Europe", "../etc/passwd", "x" * 300, "a\0b"]
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        zone(name)
    assert refused.value.code == "unknown_time_zone"


def test_a_moment_falls_on_another_day_in_another_zone() -> None:
    moment = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    assert local_day(moment, "UTC") == date(2026, 6, 30)
    assert local_day(moment, "Europe/Berlin") == date(2026, 7, 1)
    assert local_day(moment, "America/New_York") == date(2026, 6, 30)


@pytest.mark.parametrize(
    ("day", "time_zone", "begins"),
    [
        (date(2026, 1, 1), "Europe/Berlin", "2025-12-31T23:00:00+00:00"),
        (date(2026, 7, 1), "Europe/Berlin", "2026-06-30T22:00:00+00:00"),
        # summer time begins on this day, at two
        (date(2026, 3, 29), "Europe/Berlin", "2026-03-28T23:00:00+00:00"),
        # no midnight: the clock goes from 24:00 straight to one
        (date(2018, 11, 4), "America/Sao_Paulo", "2018-11-04T03:00:00+00:00"),
        # midnight twice: the first counts
        (date(2025, 11, 2), "America/Havana", "2025-11-02T04:00:00+00:00"),
    ],
)
def test_a_day_begins_at_its_first_instant(
    day: date, time_zone: str, begins: str
) -> None:
    begin = start_of_day(day, time_zone)
    assert begin.isoformat() == begins
    assert local_day(begin, time_zone) == day
    assert local_day(begin - timedelta(microseconds=1), time_zone) < day


def test_cover_begins_and_ends_on_midnights_of_its_zone() -> None:
    # given a term of the first half of 2026 in New York
    term = Term(date(2026, 1, 1), date(2026, 7, 1), "America/New_York")
    # then winter's midnight is at 5 o'clock UTC, and summer's at 4
    assert term.starts_at == datetime(2026, 1, 1, 5, tzinfo=UTC)
    assert term.ends_at == datetime(2026, 7, 1, 4, tzinfo=UTC)
    a_moment = timedelta(microseconds=1)
    assert not term.covers(term.starts_at - a_moment)
    assert term.covers(term.starts_at)
    assert term.covers(term.ends_at - a_moment)
    assert not term.covers(term.ends_at)


def test_days_are_covered_from_inception_up_to_expiry() -> None:
    term = Term(date(2026, 1, 1), date(2026, 1, 3))
    covered = [term.covers_day(date(2025, 12, 31) + timedelta(n)) for n in range(4)]
    assert covered == [False, True, True, False]


def test_a_year_with_both_changes_of_the_clock_has_365_days() -> None:
    term = Term.annual(date(2025, 1, 1), "Europe/London")
    assert term == Term(date(2025, 1, 1), date(2026, 1, 1), "Europe/London")
    assert term.days == 365


@pytest.mark.parametrize(
    ("inception", "expiry", "days"),
    [
        (date(2024, 2, 29), date(2025, 3, 1), 366),
        (date(2023, 2, 28), date(2024, 2, 28), 365),
        (date(2023, 3, 1), date(2024, 3, 1), 366),
    ],
)
def test_a_year_around_29_february(inception: date, expiry: date, days: int) -> None:
    term = Term.annual(inception)
    assert (term.expiry, term.days) == (expiry, days)


@pytest.mark.parametrize(
    ("day", "remaining"),
    [
        (date(2024, 12, 1), 365),
        (date(2025, 1, 1), 365),
        (date(2025, 5, 15), 231),
        (date(2025, 12, 31), 1),
        (date(2026, 1, 1), 0),
        (date(2027, 1, 1), 0),
    ],
)
def test_days_left_are_between_none_and_the_whole_term(
    day: date, remaining: int
) -> None:
    term = Term(date(2025, 1, 1), date(2026, 1, 1))
    assert term.remaining_from(day) == remaining


def test_an_empty_term_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        Term(date(2026, 1, 1), date(2026, 1, 1))
    assert refused.value.code == "expiry_not_after_inception"
    assert refused.value.details == {"inception": "2026-01-01", "expiry": "2026-01-01"}


def test_a_term_in_no_known_zone_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        Term(date(2026, 1, 1), date(2027, 1, 1), "Europe/Atlantis")
    assert refused.value.code == "unknown_time_zone"


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2026, 1, 15), 0, date(2026, 1, 15)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 12, 1), 12, date(2027, 12, 1)),
        (date(2026, 1, 31), -2, date(2025, 11, 30)),
        (date(2026, 3, 31), 25, date(2028, 4, 30)),
    ],
)
def test_months_later_is_the_same_day_or_the_months_last(
    day: date, months: int, later: date
) -> None:
    assert add_months(day, months) == later
