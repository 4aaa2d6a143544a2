from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robosure.contexts.policies.domain.coverages import CoverageChoice
from robosure.contexts.policies.domain.factors import NOT_YET_SCORED, Factor
from robosure.contexts.policies.domain.tax import TaxLine
from robosure.contexts.policies.events import CoverInForce, InsuredRobot
from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money, total
from robosure.kernel.time import Term
from tests.unit.contexts.policies.factories import (
    AGE,
    BOTH,
    CYBER,
    PHYSICAL_DAMAGE,
    YEAR,
    a_band,
    a_rating,
    a_risk,
    eur,
    terms_of,
)

DEDUCTIBLE_500 = CoverageChoice("physical-damage", deductible=eur("500.00"))


def test_a_premium_is_rate_by_exposure_by_relativities_plus_fee_plus_tax() -> None:
    # given a cobot worth 25,000.00 whose telemetry makes it dearer by a fifth
    risk = a_risk("1.20")
    # when damage with the smaller deductible, and cyber, are rated for a year
    rating = a_rating(risks=[risk], choices=(DEDUCTIBLE_500, CoverageChoice("cyber")))
    # then 25,000 x 0.018 x 1.10 x 0.90 x 1.20 = 534.60, cyber is
    # 100,000 x 0.0011 x 0.90 x 1.20 = 118.80, and the fee is 25.00
    assert rating.premium == eur("678.40")
    assert rating.premium_without_telemetry == eur("569.50")
    assert rating.taxes == (
        TaxLine("Versicherungsteuer", Decimal("0.19"), eur("128.90")),
    )
    assert (rating.tax, rating.total) == (eur("128.90"), eur("807.30"))
    assert [c.premium for c in rating.coverages] == [eur("555.05"), eur("123.35")]
    assert [r.premium for r in rating.robots] == [eur("678.40")]
    assert (rating.days, rating.days_in_year) == (365, 365)


def test_every_factor_is_kept_with_value_band_and_relativity() -> None:
    rating = a_rating(risks=[a_risk("1.20")], choices=(DEDUCTIBLE_500,))
    assert rating.robots[0].factors == (
        Factor(
            "robot_age_years",
            "Age of the robot in years",
            "2",
            "under 3",
            Decimal("1.00"),
        ),
        Factor(
            "fleet_size", "Robots under the policy", "1", "under 3", Decimal("1.00")
        ),
        Factor("robot_class", "Class of the robot", "cobot", "cobot", Decimal("0.90")),
        Factor(
            "telemetry",
            "Risk score from telemetry",
            "45.0",
            "elevated",
            Decimal("1.20"),
        ),
    )
    assert rating.coverages[0].factors == (
        Factor("limit", "Limit", "100,000.00 EUR", "100,000.00 EUR", Decimal("1.00")),
        Factor("deductible", "Deductible", "500.00 EUR", "500.00 EUR", Decimal("1.10")),
    )
    assert rating.coverages[0].base_rate == Decimal("0.018")
    assert rating.coverages[0].exposure == "insured_value"


def test_what_is_sold_is_the_option_chosen_or_the_default() -> None:
    risk = a_risk()
    rating = a_rating(
        risks=[risk],
        choices=(
            CoverageChoice("cyber"),
            CoverageChoice("physical-damage", limit=eur("250000.00")),
        ),
    )
    assert [rated.cover for rated in rating.coverages] == [
        CoverInForce(
            "physical-damage",
            "Physical damage",
            eur("250000.00"),
            eur("1000.00"),
            ("collision", "grip_loss"),
        ),
        CoverInForce(
            "cyber", "Cyber attack", eur("100000.00"), eur("0.00"), ("cyber_attack",)
        ),
    ]
    robot = risk.robot
    assert rating.robots[0].robot == InsuredRobot(
        robot.robot_id, robot.serial_number, "cobot", eur("25000.00")
    )


def test_a_robot_without_a_score_is_rated_as_if_there_were_no_telemetry() -> None:
    rating = a_rating(risks=[a_risk()])
    telemetry = rating.robots[0].factors[-1]
    assert (telemetry.code, telemetry.value) == ("telemetry", NOT_YET_SCORED)
    assert telemetry.relativity == 1
    assert rating.premium == rating.premium_without_telemetry


def test_a_fleet_that_crosses_a_tier_is_re_rated_as_a_whole() -> None:
    # given two robots below the tier of three
    risks = [a_risk(), a_risk()]
    two = a_rating(risks=risks, choices=(CoverageChoice("physical-damage"),))
    assert two.premium == eur("835.00")  # 2 x 25,000 x 0.018 x 0.90 + 25
    # when a third joins
    three = a_rating(
        risks=[*risks, a_risk()], choices=(CoverageChoice("physical-damage"),)
    )
    # then all three get the tier's 5 % off, not only the third
    assert three.premium == eur("1179.25")  # 3 x 405 x 0.95 + 25
    assert {r.factors[1].band for r in three.robots} == {"3 to 9"}


@pytest.mark.parametrize(
    ("commissioned_on", "age"),
    [
        (date(2023, 3, 3), "3"),
        (date(2023, 3, 4), "2"),
        (date(2027, 1, 1), "0"),
    ],
)
def test_age_is_in_whole_years_at_inception(commissioned_on: date, age: str) -> None:
    rating = a_rating(risks=[a_risk(commissioned_on=commissioned_on)])
    assert rating.robots[0].factors[0].value == age


def test_half_a_year_costs_its_days_of_the_rate_and_the_whole_fee() -> None:
    half = Term(date(2026, 3, 3), date(2026, 9, 3))
    rating = a_rating(
        terms=terms_of(minimum_premium=eur("0.00")),
        choices=(CoverageChoice("physical-damage"),),
        term=half,
    )
    assert rating.premium == eur("229.16")  # 405 x 184/365 + 25
    assert (rating.days, rating.days_in_year) == (184, 365)


def test_a_day_of_cover_costs_the_minimum_premium() -> None:
    day = Term(date(2026, 3, 3), date(2026, 3, 4))
    rating = a_rating(term=day)
    assert rating.premium == eur("250.00")
    assert rating.premium_without_telemetry == eur("250.00")
    assert rating.total == eur("297.50")


@pytest.mark.parametrize(
    ("choices", "code"),
    [
        ((), "mandatory_coverage_missing"),
        ((CoverageChoice("cyber"),), "mandatory_coverage_missing"),
        ((*BOTH, CoverageChoice("flood")), "unknown_coverage"),
        ((*BOTH, CoverageChoice("cyber")), "coverage_chosen_twice"),
        (
            (CoverageChoice("physical-damage", limit=eur("1.00")),),
            "limit_not_offered",
        ),
        (
            (CoverageChoice("physical-damage", deductible=eur("1.00")),),
            "deductible_not_offered",
        ),
        (
            (CoverageChoice("physical-damage", deductible=eur("-500.00")),),
            "negative_amount",
        ),
        (
            (CoverageChoice("physical-damage", limit=Money(10_000_000, "USD")),),
            "limit_not_offered",
        ),
    ],
)
def test_a_choice_that_is_not_offered_is_refused(
    choices: tuple[CoverageChoice, ...], code: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        a_rating(choices=choices)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"insured_value": Money(1, "USD")}, "currency_not_offered"),
        ({"robot_class": "drone"}, "risk_not_offered"),
        ({"insured_value": Money(10**22, "EUR")}, "amount_too_large"),
    ],
)
def test_a_robot_that_is_not_insured_is_refused(
    changed: dict[str, Any], code: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        a_rating(risks=[a_risk(**changed)])
    assert refusal.value.code == code


def test_a_fleet_larger_than_the_product_insures_is_refused() -> None:
    with pytest.raises(Invalid, match="risk not offered"):
        a_rating(risks=[a_risk() for _ in range(10)])


def test_robots_of_no_value_leave_nothing_to_insure() -> None:
    with pytest.raises(Invalid, match="nothing to insure"):
        a_rating(
            risks=[a_risk(insured_value=eur("0.00"))],
            choices=(CoverageChoice("physical-damage"),),
        )


def test_a_factor_that_is_not_known_here_is_refused_and_not_left_out() -> None:
    unknown = replace(AGE, code="colour")
    with pytest.raises(Invalid, match="rating factor not known"):
        a_rating(terms=terms_of(rating_factors=(unknown,)))


@settings(max_examples=60)
@given(
    values=st.lists(st.integers(1, 10**9), min_size=1, max_size=9),
    multipliers=st.lists(
        st.decimals(Decimal("0.70"), Decimal("1.80"), places=4), min_size=9, max_size=9
    ),
    relativity=st.decimals(Decimal("0.01"), 9, places=6),
    days=st.integers(1, 366),
    jurisdiction=st.sampled_from(["DE", "IE", "CH"]),
)
def test_robots_coverages_and_taxes_always_sum_to_what_they_are_parts_of(
    values: list[int],
    multipliers: list[Decimal],
    relativity: Decimal,
    days: int,
    jurisdiction: str,
) -> None:
    factor = replace(AGE, bands=(a_band("any", str(relativity), "0"),))
    rating = a_rating(
        terms=terms_of(rating_factors=(factor,), coverages=(PHYSICAL_DAMAGE, CYBER)),
        risks=[
            a_risk(str(multiplier), insured_value=Money(value, "EUR"))
            for value, multiplier in zip(values, multipliers, strict=False)
        ],
        term=Term(YEAR.inception, YEAR.inception + timedelta(days=days)),
        jurisdiction=jurisdiction,
    )
    assert total((r.premium for r in rating.robots), "EUR") == rating.premium
    assert total((c.premium for c in rating.coverages), "EUR") == rating.premium
    assert total((t.amount for t in rating.taxes), "EUR") == rating.tax
    assert rating.premium + rating.tax == rating.total
    assert rating.premium >= rating.minimum_premium
