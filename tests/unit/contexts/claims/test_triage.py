"""Severity by loss and injury, and what deserves a second look."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from robosure.contexts.claims.domain.triage import (
    Flag,
    Severity,
    flags_of_notice,
    flags_of_telemetry,
    severity_of,
)
from robosure.kernel.time import Term
from tests.unit.contexts.claims.factories import eur

TERM = Term(date(2026, 1, 1), date(2027, 1, 1), "Asia/Tokyo")


@pytest.mark.parametrize(
    ("loss", "severity"),
    [
        ("0.00", Severity.MINOR),
        ("499.99", Severity.MINOR),
        ("500.00", Severity.STANDARD),
        ("2499.99", Severity.STANDARD),
        ("2500.00", Severity.MAJOR),
        ("9999.99", Severity.MAJOR),
        ("10000.00", Severity.COMPLEX),
    ],
)
def test_severity_grows_with_the_loss_as_a_share_of_the_limit(
    loss: str, severity: Severity
) -> None:
    graded = severity_of(eur(loss), limit=eur("10000.00"), injury=False)
    assert graded is severity


def test_an_injury_makes_any_claim_complex() -> None:
    graded = severity_of(eur("1.00"), limit=eur("10000.00"), injury=True)
    assert graded is Severity.COMPLEX


def test_a_limit_of_nothing_makes_a_claim_complex() -> None:
    graded = severity_of(eur("0.00"), limit=eur("0.00"), injury=False)
    assert graded is Severity.COMPLEX


def test_a_notice_after_more_than_thirty_days_is_late() -> None:
    incident = datetime(2026, 3, 1, 12, tzinfo=UTC)
    in_time = incident + timedelta(days=30)
    late = in_time + timedelta(seconds=1)
    assert flags_of_notice(incident_at=incident, reported_at=in_time, term=TERM) == ()
    assert flags_of_notice(incident_at=incident, reported_at=late, term=TERM) == (
        Flag.REPORTED_LATE,
    )


def test_the_first_fourteen_days_of_the_term_are_flagged_in_its_time_zone() -> None:
    # The fifteenth day of the term begins in Tokyo at 15:00 UTC of 14 January.
    early = datetime(2026, 1, 14, 14, 59, tzinfo=UTC)
    later = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
    assert flags_of_notice(incident_at=early, reported_at=early, term=TERM) == (
        Flag.SOON_AFTER_INCEPTION,
    )
    assert flags_of_notice(incident_at=later, reported_at=later, term=TERM) == ()


def test_a_notice_may_be_flagged_twice() -> None:
    incident = datetime(2026, 1, 2, tzinfo=UTC)
    reported = datetime(2026, 6, 2, tzinfo=UTC)
    assert flags_of_notice(incident_at=incident, reported_at=reported, term=TERM) == (
        Flag.REPORTED_LATE,
        Flag.SOON_AFTER_INCEPTION,
    )


@pytest.mark.parametrize(
    ("samples", "stops", "flags"),
    [
        (0, 0, (Flag.NO_TELEMETRY,)),
        (100, 0, (Flag.NO_PROTECTIVE_STOP,)),
        (100, 1, ()),
    ],
)
def test_telemetry_without_samples_or_stops_is_flagged(
    samples: int, stops: int, flags: tuple[Flag, ...]
) -> None:
    found = flags_of_telemetry(samples=samples, protective_stop_samples=stops)
    assert found == flags
