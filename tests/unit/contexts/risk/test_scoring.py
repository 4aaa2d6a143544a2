from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from robosure.contexts.risk.domain import (
    CURRENT_MODEL,
    MODELS,
    Distribution,
    Exposure,
    Flag,
    Limits,
    Score,
    ScoreInputs,
    band_of,
    multiplier_of,
    replay,
)
from robosure.contexts.risk.events import RobotScored
from robosure.kernel.errors import NotFound
from robosure.kernel.ids import uuid7
from tests.unit.contexts.risk.factories import EIGHT, UR3, at

_HOUR = 3_600_000_000


def _inputs(**differing: Any) -> ScoreInputs:
    """One operating hour of an arm, without anything wrong."""
    exposure = Exposure(
        samples=3600,
        operating_us=_HOUR,
        first_at=EIGHT,
        last_at=EIGHT + timedelta(hours=1),
        protective_stop=Flag(known=3600, first=False, last=False),
        grip_loss=Flag(known=3600, first=False, last=False),
        joint_currents=(Distribution({10: 3600}, highest=1000),),
        joint_temperatures=(Distribution({35: 3600}, highest=35_000),),
    )
    return ScoreInputs(replace(exposure, **differing), UR3)


def _points(inputs: ScoreInputs) -> dict[str, Decimal]:
    return {f.code: f.points for f in CURRENT_MODEL.assess(inputs).factors if f.points}


def test_the_points_of_all_factors_add_up_to_a_hundred() -> None:
    for model in MODELS.values():
        assert sum(factor.max_points for factor in model.factors) == 100


def test_a_faultless_hour_counts_two_thirds_against_the_average_robot() -> None:
    # given one hour without points, which counts 1 / (1 + 0.5)
    found = CURRENT_MODEL.assess(_inputs())
    # then a third of the average robot's 30 remains
    assert found.score == Decimal("10.0")
    assert found.band == "low"
    assert found.multiplier == Decimal("0.8000")
    assert found.credibility.weight == Decimal("0.6667")
    assert found.credibility.observed == Decimal("0.0")


def test_no_time_in_operation_gives_the_average_score() -> None:
    found = CURRENT_MODEL.assess(ScoreInputs(Exposure(), UR3))

    assert (found.score, found.band) == (Decimal("30.0"), "moderate")
    assert found.multiplier == Decimal("1.0000")
    assert [factor.value for factor in found.factors] == [None] * 6


@pytest.mark.parametrize(
    ("differing", "code", "points"),
    [
        # Each at its half-point gives half of its points.
        (
            {"protective_stop": Flag(known=0, samples=10, episodes=10)},
            "protective_stop_rate",
            "15.00",
        ),
        (
            {"protective_stop": Flag(known=3600, samples=180)},
            "protective_stop_share",
            "7.50",
        ),
        ({"grip_loss": Flag(known=3600, episodes=10)}, "grip_loss_rate", "7.50"),
        (
            {"joint_currents": (Distribution({60: 98, 61: 2}),)},
            "joint_current_over_limit",
            "7.50",
        ),
        (
            {"joint_temperatures": (Distribution({60: 49, 61: 1}),) * 2},
            "joint_temperature_over_limit",
            "7.50",
        ),
        ({"incomplete": 180}, "incomplete_data", "5.00"),
    ],
)
def test_a_factor_gives_half_its_points_at_its_half_point(
    differing: dict[str, object], code: str, points: str
) -> None:
    assert _points(_inputs(**differing)) == {code: Decimal(points)}


def test_the_robot_the_model_was_set_by_is_low() -> None:
    day = 24
    inputs = _inputs(
        operating_us=day * _HOUR,
        protective_stop=Flag(known=3600 * day, samples=36 * day, episodes=4 * day),
        grip_loss=Flag(known=3600 * day, samples=day, episodes=day),
    )

    found = CURRENT_MODEL.assess(inputs)

    # 30 x 4/14 + 15 x 1/6 + 15 x 1/11 = 12.435; x 24/24.5 + 30 x 0.5/24.5 = 12.79
    assert found.credibility.observed == Decimal("12.4")
    assert (found.score, found.band) == (Decimal("12.8"), "low")


def test_a_joint_without_a_limit_is_left_out() -> None:
    joints = (Distribution({99: 10}), Distribution({99: 10}))
    inputs = replace(
        _inputs(joint_currents=joints), limits=Limits((Decimal(20),), Decimal(60))
    )

    factor = CURRENT_MODEL.assess(inputs).factors[3]

    assert factor.value == Decimal("0.0000")


def test_a_robot_with_no_joint_limits_gets_no_points_for_them() -> None:
    inputs = replace(_inputs(), limits=Limits((), Decimal(60)))

    assert CURRENT_MODEL.assess(inputs).factors[3].value is None


@given(
    st.integers(0, 10**14),
    st.lists(st.integers(0, 10**6), min_size=5, max_size=5),
)
def test_scores_stay_between_0_and_100_and_are_replayed_exactly(
    operating_us: int, counts: list[int]
) -> None:
    whole = max(counts) + 1
    stops, episodes, grips, hot, incomplete = counts
    inputs = _inputs(
        samples=whole,
        incomplete=incomplete,
        operating_us=operating_us,
        protective_stop=Flag(known=whole, samples=stops, episodes=episodes),
        grip_loss=Flag(known=whole, samples=grips, episodes=grips),
        joint_currents=(Distribution({10: 1, 70: hot}),),
    )

    found = CURRENT_MODEL.assess(inputs)

    assert 0 <= found.score <= 100
    assert Decimal("0.70") <= found.multiplier <= Decimal("1.80")
    assert found.band == band_of(found.score)
    adapter = TypeAdapter(ScoreInputs)
    stored = adapter.validate_json(adapter.dump_json(inputs))
    assert stored == inputs
    assert replay(stored, CURRENT_MODEL.version) == found


@given(st.integers(0, 999), st.integers(0, 1000))
def test_more_stops_never_give_a_lower_score(fewer: int, more: int) -> None:
    scores = [
        CURRENT_MODEL.assess(
            _inputs(protective_stop=Flag(known=3600, samples=n, episodes=n))
        ).score
        for n in sorted((fewer, more))
    ]

    assert scores == sorted(scores)


@pytest.mark.parametrize(
    ("score", "band"),
    [
        ("0", "low"), ("19.9", "low"), ("20", "moderate"), ("39.9", "moderate"),
        ("40", "elevated"), ("60", "high"), ("79.9", "high"), ("80", "severe"),
        ("100", "severe"),
    ],
)  # fmt: skip
def test_bands_begin_at_their_edges(score: str, band: str) -> None:
    assert band_of(Decimal(score)) == band


@pytest.mark.parametrize(
    ("score", "multiplier"),
    [
        ("-1", "0.7000"), ("0", "0.7000"), ("15", "0.8500"), ("30", "1.0000"),
        ("44.9", "1.1703"), ("65", "1.4000"), ("100", "1.8000"), ("101", "1.8000"),
    ],
)  # fmt: skip
def test_multipliers_lie_on_two_straight_lines(score: str, multiplier: str) -> None:
    assert multiplier_of(Decimal(score)) == Decimal(multiplier)


def test_an_unknown_model_version_cannot_be_replayed() -> None:
    with pytest.raises(NotFound, match="risk model not found"):
        replay(_inputs(), "1999.1")


def test_a_score_tells_that_the_robot_was_scored() -> None:
    robot_id = uuid7()

    score = Score.of(robot_id, _inputs(), at=at(0))

    assert score.pending_events == [
        RobotScored(
            robot_id=robot_id,
            score_id=score.id,
            score=Decimal("10.0"),
            band="low",
            multiplier=Decimal("0.8000"),
            model_version="2026.1",
            samples=3600,
            scored_at=at(0),
        )
    ]
    assert score.replayed().score == score.score


def test_a_score_holds_as_long_as_its_inputs_and_the_model_do() -> None:
    score = Score.of(uuid7(), _inputs(), at=at(0))

    assert score.holds_for(_inputs())
    assert not score.holds_for(_inputs(incomplete=1))
    score.model_version = "2025.1"
    assert not score.holds_for(_inputs())


def test_points_are_exact_fractions() -> None:
    stops = CURRENT_MODEL.factors[0]

    assert stops.points(Fraction(5)) == 10
    assert stops.points(None) == 0
