"""Cover on the day of the incident, for that robot and that incident."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from robosure.kernel.errors import Invalid
from robosure.kernel.ids import uuid7
from robosure.kernel.time import Term
from tests.unit.contexts.claims.factories import (
    NOON,
    ROBOT,
    a_cover,
    coverage,
)

TOKYO = Term(date(2026, 1, 1), date(2027, 1, 1), "Asia/Tokyo")


@pytest.mark.parametrize(
    ("incident_at", "covered"),
    [
        # 1 January begins in Tokyo at 15:00 UTC of the day before.
        (datetime(2025, 12, 31, 14, 59, 59, tzinfo=UTC), False),
        (datetime(2025, 12, 31, 15, 0, 0, tzinfo=UTC), True),
        (datetime(2026, 12, 31, 14, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 12, 31, 15, 0, 0, tzinfo=UTC), False),
    ],
)
def test_the_day_of_the_incident_is_that_of_the_policys_time_zone(
    incident_at: datetime, covered: bool
) -> None:
    cover = a_cover(term=TOKYO)
    now = datetime(2027, 6, 1, tzinfo=UTC)
    if covered:
        cover.check_incident_time(incident_at, now=now)
    else:
        with pytest.raises(Invalid) as refusal:
            cover.check_incident_time(incident_at, now=now)
        assert refusal.value.code == "incident_outside_term"
        assert refusal.value.details["time_zone"] == "Asia/Tokyo"


def test_what_has_not_happened_is_no_incident() -> None:
    cover = a_cover()
    cover.check_incident_time(NOON, now=NOON)
    with pytest.raises(Invalid) as refusal:
        cover.check_incident_time(NOON + timedelta(seconds=1), now=NOON)
    assert refusal.value.code == "incident_in_future"


def test_only_the_policys_robots_are_insured() -> None:
    cover = a_cover()
    assert cover.robot(ROBOT).serial_number == "SN-1"
    with pytest.raises(Invalid) as refusal:
        cover.robot(uuid7())
    assert refusal.value.code == "robot_not_insured"


def test_the_coverages_that_respond_are_found_in_the_policys_order() -> None:
    damage = coverage()
    liability = coverage(code="liability", incident_types=("collision", "injury"))
    cover = a_cover(coverages=(damage, liability))
    assert cover.responding_to("collision") == (damage, liability)
    assert cover.responding_to("injury") == (liability,)
    assert cover.coverage_for("collision", code="liability") == liability


def test_an_incident_that_no_coverage_names_is_not_covered() -> None:
    with pytest.raises(Invalid) as refusal:
        a_cover().responding_to("flood")
    assert refusal.value.code == "incident_not_covered"
    assert refusal.value.details["covered"] == ["collision", "fire"]


def test_a_coverage_that_does_not_name_the_incident_does_not_respond() -> None:
    liability = coverage(code="liability", incident_types=("injury",))
    cover = a_cover(coverages=(coverage(), liability))
    with pytest.raises(Invalid) as refusal:
        cover.coverage_for("collision", code="liability")
    assert refusal.value.code == "coverage_does_not_respond"
    assert refusal.value.details["responding"] == ["physical-damage"]


def test_insurer_and_holder_are_parties_and_nobody_else() -> None:
    cover = a_cover()
    assert cover.concerns(cover.insurer_id)
    assert cover.concerns(cover.holder_id)
    assert not cover.concerns(uuid7())
