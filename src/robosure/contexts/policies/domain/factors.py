"""What about a robot moves its price, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import Final
from uuid import UUID

from robosure.contexts.catalog.events import FactorBand, RatingFactor
from robosure.contexts.policies.domain.telemetry import TelemetryRating
from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money

TELEMETRY: Final = "telemetry"
NOT_YET_SCORED: Final = "not yet scored"


@dataclass(frozen=True)
class Robot:
    """The facts of a machine that move its price."""

    robot_id: UUID
    serial_number: str
    operator_id: UUID
    robot_class: str
    insured_value: Money
    commissioned_on: date
    operating_environment: str


@dataclass(frozen=True)
class Risk:
    """A robot to be rated; without telemetry while it is not yet scored."""

    robot: Robot
    telemetry: TelemetryRating | None


@dataclass(frozen=True)
class Factor:
    """One thing that moved a price: what it is, where that falls, what it does."""

    code: str
    name: str
    value: str
    band: str
    relativity: Decimal


def factors_of(
    risk: Risk,
    rating_factors: Sequence[RatingFactor],
    *,
    fleet_size: int,
    inception: date,
) -> tuple[Factor, ...]:
    """Find the band of a robot for each of the product's factors; telemetry is last.

    Args:
        risk: the robot.
        rating_factors: of the product.
        fleet_size: robots under the policy; a tier holds for all of them.
        inception: the day by which the robot's age is counted.

    Raises:
        Invalid: the product does not insure such a robot, or has a factor that is
            not known here.
    """
    robot = risk.robot
    facts: dict[str, int | str] = {
        "robot_age_years": _whole_years(robot.commissioned_on, inception),
        "fleet_size": fleet_size,
        "operating_environment": robot.operating_environment,
        "robot_class": robot.robot_class,
    }
    found = [_factor(factor, facts, robot.robot_id) for factor in rating_factors]
    return (*found, _telemetry_factor(risk.telemetry))


def relativity(factors: Iterable[Factor]) -> Fraction:
    """Return what the factors together do to the price."""
    return prod((Fraction(factor.relativity) for factor in factors), start=Fraction(1))


def _factor(factor: RatingFactor, facts: dict[str, int | str], robot: UUID) -> Factor:
    if factor.code not in facts:
        raise Invalid("rating_factor_not_known", factor=factor.code)
    value = facts[factor.code]
    for band in factor.bands:
        if _holds(band, value):
            return Factor(
                factor.code, factor.name, str(value), band.label, band.relativity
            )
    raise Invalid("risk_not_offered", robot_id=robot, factor=factor.code, value=value)


def _holds(band: FactorBand, value: int | str) -> bool:
    if isinstance(value, str):
        return band.label == value
    return (band.lower is None or band.lower <= value) and (
        band.upper is None or value < band.upper
    )


def _telemetry_factor(telemetry: TelemetryRating | None) -> Factor:
    if telemetry is None:
        value, band, multiplier = NOT_YET_SCORED, "none", Decimal("1.00")
    else:
        value, band = str(telemetry.score), telemetry.band
        multiplier = telemetry.multiplier
    return Factor(TELEMETRY, "Risk score from telemetry", value, band, multiplier)


def _whole_years(start: date, end: date) -> int:
    anniversary_ahead = (end.month, end.day) < (start.month, start.day)
    return max(0, end.year - start.year - anniversary_ahead)
