from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.policies.domain.telemetry import (
    Score,
    TelemetryRating,
    band_of,
    rate_telemetry,
)
from robosure.contexts.risk.events import BANDS
from robosure.kernel.ids import uuid7


def a_score(score: str = "30.0", multiplier: str = "1.00") -> Score:
    return Score(uuid7(), Decimal(score), Decimal(multiplier))


def rated(multiplier: str = "1.00", band: str = "moderate") -> TelemetryRating:
    return TelemetryRating(uuid7(), Decimal("30.0"), band, Decimal(multiplier))


@pytest.mark.parametrize(
    ("score", "band"),
    [
        ("0", "low"),
        ("19.9", "low"),
        ("20", "moderate"),
        ("39.9", "moderate"),
        ("40", "elevated"),
        ("60", "high"),
        ("79.9", "high"),
        ("80", "severe"),
        ("100", "severe"),
    ],
)
def test_a_first_score_is_in_the_band_between_its_edges(score: str, band: str) -> None:
    assert band_of(Decimal(score)) == band


@pytest.mark.parametrize(
    ("previous", "score", "band"),
    [
        ("low", "21.9", "low"),
        ("low", "22", "moderate"),
        ("moderate", "18.1", "moderate"),
        ("moderate", "18", "low"),
        ("moderate", "41.9", "moderate"),
        ("low", "41", "moderate"),
        ("low", "95", "severe"),
        ("severe", "5", "low"),
        ("severe", "59", "high"),
    ],
)
def test_a_band_changes_only_when_its_edge_is_passed_by_two_points(
    previous: str, score: str, band: str
) -> None:
    assert band_of(Decimal(score), previous) == band


@pytest.mark.parametrize(
    ("told", "used"), [("0.50", "0.70"), ("0.85", "0.85"), ("2.40", "1.80")]
)
def test_a_first_multiplier_is_bounded(told: str, used: str) -> None:
    rating = rate_telemetry(a_score(multiplier=told), None)
    assert rating.multiplier == Decimal(used)


@pytest.mark.parametrize(
    ("previous", "told", "used"),
    [
        ("1.00", "1.50", "1.10"),
        ("1.00", "0.75", "0.90"),
        ("1.00", "1.04", "1.04"),
        ("1.75", "2.40", "1.80"),
        ("0.75", "0.10", "0.70"),
    ],
)
def test_re_rating_moves_a_multiplier_by_a_tenth_at_most(
    previous: str, told: str, used: str
) -> None:
    rating = rate_telemetry(a_score(multiplier=told), rated(previous))
    assert rating.multiplier == Decimal(used)


def test_a_rating_says_which_score_it_stands_on() -> None:
    score = a_score("41.0")
    rating = rate_telemetry(score, rated(band="moderate"))
    assert rating.score_id == score.score_id
    assert (rating.score, rating.band) == (Decimal("41.0"), "moderate")


@given(
    score=st.decimals(0, 100, places=1),
    previous=st.sampled_from(BANDS),
)
def test_rating_the_same_score_again_changes_nothing(
    score: Decimal, previous: str
) -> None:
    once = band_of(score, previous)
    assert band_of(score, once) == once
