"""The scoring models: exact, explained, and kept for as long as scores name them.

A model adds up the points of its factors, each of which saturates, so that no single
one decides; then it weighs what it observed against the score of the average robot by
how long it observed (credibility). Everything is computed in fractions and rounded
half-up once, where it is shown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Final

from robosure.contexts.risk.domain.exposure import Exposure, Flag
from robosure.contexts.risk.domain.readings import CURRENT, TEMPERATURE
from robosure.contexts.risk.events import (
    BAND_EDGES,
    BANDS,
    HIGHEST_MULTIPLIER,
    LOWEST_MULTIPLIER,
)
from robosure.kernel.errors import NotFound
from robosure.kernel.money import round_half_up

MULTIPLIER_KNOTS: Final = (
    (Decimal(0), LOWEST_MULTIPLIER),
    (Decimal(30), Decimal("1.00")),
    (Decimal(100), HIGHEST_MULTIPLIER),
)
"""Scores and their multipliers; in between, a straight line."""
_MICROSECONDS_PER_HOUR: Final = 3_600_000_000


@dataclass(frozen=True)
class Limits:
    """What a model's maker allows.

    Attributes:
        joint_currents: amperes, one per joint, base first.
        joint_temperature: degrees Celsius, for every joint.
    """

    joint_currents: tuple[Decimal, ...]
    joint_temperature: Decimal


@dataclass(frozen=True)
class ScoreInputs:
    """All that a score is made of."""

    exposure: Exposure
    limits: Limits


@dataclass(frozen=True)
class Factor:
    """What one factor contributed to a score.

    Attributes:
        value: what was measured, four decimals; None where nothing could be.
        points: two decimals; the score adds up the exact ones.
        half_points_at: the value that gives half of ``max_points``.
    """

    code: str
    name: str
    unit: str
    value: Decimal | None
    points: Decimal
    max_points: int
    half_points_at: Decimal
    explanation: str


@dataclass(frozen=True)
class Credibility:
    """How far the observation counts against the average robot.

    Attributes:
        operating_hours: observed, four decimals.
        half_at: hours at which the observation counts half.
        weight: ``hours / (hours + half_at)``, four decimals.
        observed: the score that the factors alone give, one decimal.
        prior: the average robot's score.
    """

    operating_hours: Decimal
    half_at: Decimal
    weight: Decimal
    observed: Decimal
    prior: Decimal


@dataclass(frozen=True)
class Assessment:
    """What a model finds.

    Attributes:
        score: 0 (safest) to 100 (riskiest), one decimal.
        multiplier: what the score alone does to the price, four decimals.
    """

    score: Decimal
    band: str
    multiplier: Decimal
    factors: tuple[Factor, ...]
    credibility: Credibility


@dataclass(frozen=True)
class FactorDefinition:
    """A factor of a model: ``max_points * value / (value + half_points_at)``.

    Attributes:
        measure: what it looks at; None where there is nothing to look at, which
            gives no points.
    """

    code: str
    name: str
    unit: str
    max_points: int
    half_points_at: Decimal
    explanation: str
    measure: Callable[[ScoreInputs], Fraction | None]

    def points(self, value: Fraction | None) -> Fraction:
        """Return the exact points of a value."""
        if value is None:
            return Fraction(0)
        return self.max_points * value / (value + Fraction(self.half_points_at))

    def shown(self, value: Fraction | None) -> Factor:
        """Say what it contributed."""
        return Factor(
            code=self.code,
            name=self.name,
            unit=self.unit,
            value=None if value is None else _rounded(value, 4),
            points=_rounded(self.points(value), 2),
            max_points=self.max_points,
            half_points_at=self.half_points_at,
            explanation=self.explanation,
        )


@dataclass(frozen=True)
class ScoringModel:
    """A way to score, under a version that scores name.

    Attributes:
        prior: score of the average robot, whose multiplier is 1.
        credible_at: operating hours at which the observation counts half.
    """

    version: str
    factors: tuple[FactorDefinition, ...]
    prior: Decimal
    credible_at: Decimal

    def assess(self, inputs: ScoreInputs) -> Assessment:
        """Find the score of these inputs."""
        values = [(factor, factor.measure(inputs)) for factor in self.factors]
        observed = sum((f.points(value) for f, value in values), Fraction(0))
        hours = _hours(inputs.exposure)
        weight = hours / (hours + Fraction(self.credible_at))
        exact = weight * observed + (1 - weight) * Fraction(self.prior)
        score = _rounded(exact, 1)
        return Assessment(
            score=score,
            band=band_of(score),
            multiplier=multiplier_of(score),
            factors=tuple(factor.shown(value) for factor, value in values),
            credibility=Credibility(
                operating_hours=_rounded(hours, 4),
                half_at=self.credible_at,
                weight=_rounded(weight, 4),
                observed=_rounded(observed, 1),
                prior=self.prior,
            ),
        )


def band_of(score: Decimal) -> str:
    """Return the band that a score falls in."""
    return BANDS[bisect_right(BAND_EDGES, score)]


def multiplier_of(score: Decimal) -> Decimal:
    """Return what a score does to the price: 0.70 to 1.80, four decimals."""
    for (from_score, from_value), (to_score, to_value) in pairwise(MULTIPLIER_KNOTS):
        if score <= to_score:
            share = Fraction(max(score, from_score) - from_score) / Fraction(
                to_score - from_score
            )
            rise = Fraction(to_value - from_value)
            return _rounded(Fraction(from_value) + share * rise, 4)
    return _rounded(Fraction(MULTIPLIER_KNOTS[-1][1]), 4)


def replay(inputs: ScoreInputs, model_version: str) -> Assessment:
    """Score inputs again as that version of the model did.

    Raises:
        NotFound: there is no such version.
    """
    if model_version not in MODELS:
        raise NotFound("risk_model_not_found", model_version=model_version)
    return MODELS[model_version].assess(inputs)


def _rounded(exact: Fraction, decimals: int) -> Decimal:
    return Decimal(round_half_up(exact * 10**decimals)).scaleb(-decimals)


def _hours(exposure: Exposure) -> Fraction:
    return Fraction(exposure.operating_us, _MICROSECONDS_PER_HOUR)


def _share(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None


def _per_hour(flag: Flag, exposure: Exposure) -> Fraction | None:
    hours = _hours(exposure)
    return flag.episodes / hours if hours else None


def _stops_per_hour(inputs: ScoreInputs) -> Fraction | None:
    return _per_hour(inputs.exposure.protective_stop, inputs.exposure)


def _grip_losses_per_hour(inputs: ScoreInputs) -> Fraction | None:
    return _per_hour(inputs.exposure.grip_loss, inputs.exposure)


def _share_in_stop(inputs: ScoreInputs) -> Fraction | None:
    flag = inputs.exposure.protective_stop
    return _share(flag.samples, flag.known)


def _share_over_current(inputs: ScoreInputs) -> Fraction | None:
    # A joint for which the maker gives no limit is left out.
    limited = zip(
        inputs.exposure.joint_currents, inputs.limits.joint_currents, strict=False
    )
    above = readings = 0
    for joint, limit in limited:
        above += joint.above(CURRENT.bin_of(limit))
        readings += joint.readings
    return _share(above, readings)


def _share_over_temperature(inputs: ScoreInputs) -> Fraction | None:
    joints = inputs.exposure.joint_temperatures
    limit = TEMPERATURE.bin_of(inputs.limits.joint_temperature)
    above = sum(joint.above(limit) for joint in joints)
    return _share(above, sum(joint.readings for joint in joints))


def _share_incomplete(inputs: ScoreInputs) -> Fraction | None:
    return _share(inputs.exposure.incomplete, inputs.exposure.samples)


_2026_1: Final = ScoringModel(
    version="2026.1",
    factors=(
        FactorDefinition(
            code="protective_stop_rate",
            name="Protective stops",
            unit="episodes per operating hour",
            max_points=30,
            half_points_at=Decimal(10),
            explanation="How often the robot stopped to protect itself or people.",
            measure=_stops_per_hour,
        ),
        FactorDefinition(
            code="protective_stop_share",
            name="Time in protective stop",
            unit="share of samples",
            max_points=15,
            half_points_at=Decimal("0.05"),
            explanation="How much of its time it stood in such a stop.",
            measure=_share_in_stop,
        ),
        FactorDefinition(
            code="grip_loss_rate",
            name="Grip losses",
            unit="episodes per operating hour",
            max_points=15,
            half_points_at=Decimal(10),
            explanation="How often the gripper lost what it held.",
            measure=_grip_losses_per_hour,
        ),
        FactorDefinition(
            code="joint_current_over_limit",
            name="Joint current over limit",
            unit="share of readings",
            max_points=15,
            half_points_at=Decimal("0.02"),
            explanation="How much of the time joints drew more than their limit.",
            measure=_share_over_current,
        ),
        FactorDefinition(
            code="joint_temperature_over_limit",
            name="Joint temperature over limit",
            unit="share of readings",
            max_points=15,
            half_points_at=Decimal("0.02"),
            explanation="How much of the time joints were hotter than their limit.",
            measure=_share_over_temperature,
        ),
        FactorDefinition(
            code="incomplete_data",
            name="Incomplete data",
            unit="share of samples",
            max_points=10,
            half_points_at=Decimal("0.05"),
            explanation="How much of the telemetry lacked a reading.",
            measure=_share_incomplete,
        ),
    ),
    prior=Decimal(30),
    credible_at=Decimal("0.5"),
)
"""Weights and half-points are an expert's judgement, to be recalibrated on losses.

They are set so that a robot with 4 protective stops and 1 grip loss per hour, 1 % of
its time in such stops and complete data within its limits scores about 12: low.
"""

MODELS: Final = {model.version: model for model in (_2026_1,)}
CURRENT_MODEL: Final = _2026_1
