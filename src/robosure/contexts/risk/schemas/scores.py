"""A robot's score, and all that made it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Self
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from robosure.contexts.risk.domain import (
    CURRENT_MODEL,
    Credibility,
    Distribution,
    Exposure,
    Factor,
    Flag,
    Limits,
    ScoreInputs,
)
from robosure.contexts.risk.schemas.examples import FACTOR, example
from robosure.contexts.risk.schemas.exposure import ExposureOut
from robosure.platform.http import OutputModel

_ROBOT: Final = "019c8f3e-9a40-7000-8000-000000000001"
_SCORE: Final = "019c8f3e-9a40-7000-8000-000000000002"
_SUMMARY: Final[JsonDict] = {
    "id": _SCORE,
    "score": "44.9",
    "band": "elevated",
    "multiplier": "1.1703",
    "model_version": "2026.1",
    "samples": 7409,
    "scored_at": "2026-03-02T12:00:00Z",
}


class FactorOut(OutputModel):
    """What one factor contributed: `max_points * value / (value + half_points_at)`."""

    model_config = example(FACTOR)

    code: str
    name: str
    unit: str
    value: Decimal | None = Field(description="Null where nothing could be measured.")
    points: Decimal
    max_points: int
    half_points_at: Decimal
    explanation: str

    @classmethod
    def of(cls, factor: Factor) -> Self:
        """Show a factor."""
        return cls.model_validate(factor)


class CredibilityOut(OutputModel):
    """How far the observation counts: `weight * observed + (1 - weight) * prior`."""

    model_config = example(
        {
            "operating_hours": "2.0863",
            "half_at": "0.5",
            "weight": "0.8067",
            "observed": "48.5",
            "prior": "30",
        }
    )

    operating_hours: Decimal
    half_at: Decimal = Field(description="Hours at which the observation counts half.")
    weight: Decimal = Field(description="`hours / (hours + half_at)`.")
    observed: Decimal = Field(description="The score that the factors alone give.")
    prior: Decimal = Field(description="The average robot's score.")

    @classmethod
    def of(cls, credibility: Credibility) -> Self:
        """Show a credibility."""
        return cls.model_validate(credibility)


class ScoreOut(OutputModel):
    """A score, without what it was made of."""

    model_config = example(_SUMMARY)

    id: UUID
    score: Decimal = Field(description="0 (safest) to 100 (riskiest), one decimal.")
    band: str = Field(description="low, moderate, elevated, high or severe.")
    multiplier: Decimal = Field(
        description="What the score alone does to the price, 0.70 to 1.80."
    )
    model_version: str
    samples: int
    scored_at: datetime


def _show_a_risk(schema: JsonDict) -> None:
    """Add an example: one that the current model did make, of a robot of one joint."""
    exposure = Exposure(
        samples=7409,
        incomplete=54,
        operating_us=7_510_680_000,
        first_at=datetime(2026, 3, 2, 8, 17, 21, tzinfo=UTC),
        last_at=datetime(2026, 3, 2, 10, 22, 32, tzinfo=UTC),
        protective_stop=Flag(7355, 278, 108, first=False, last=False),
        grip_loss=Flag(7355, 243, 77, first=False, last=False),
        joint_currents=(Distribution({2: 5000, 14: 2353, 69: 2}, 6807),),
        joint_temperatures=(Distribution({30: 7000, 33: 355}, 32_900),),
    )
    inputs = ScoreInputs(exposure, Limits((Decimal("6.0"),), Decimal(70)))
    found = CURRENT_MODEL.assess(inputs)
    shown = RobotRiskOut(
        robot_id=UUID(_ROBOT),
        score_id=UUID(_SCORE),
        score=found.score,
        band=found.band,
        multiplier=found.multiplier,
        model_version=CURRENT_MODEL.version,
        samples=exposure.samples,
        scored_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        reproduced=True,
        exposure=ExposureOut.of(exposure, inputs.limits),
        factors=[FactorOut.of(factor) for factor in found.factors],
        credibility=CredibilityOut.of(found.credibility),
        inputs=inputs,
    )
    schema["examples"] = [shown.model_dump(mode="json")]


class RobotRiskOut(OutputModel):
    """A robot's latest score, with all that made it."""

    model_config = ConfigDict(json_schema_extra=_show_a_risk)

    robot_id: UUID
    score_id: UUID
    score: Decimal = Field(description="0 (safest) to 100 (riskiest), one decimal.")
    band: str = Field(description="low, moderate, elevated, high or severe.")
    multiplier: Decimal = Field(
        description="What the score alone does to the price, 0.70 to 1.80."
    )
    model_version: str
    samples: int
    scored_at: datetime
    reproduced: bool = Field(
        description="Whether the inputs, scored again just now by that version of the "
        "model, gave the same."
    )
    exposure: ExposureOut
    factors: list[FactorOut]
    credibility: CredibilityOut
    inputs: ScoreInputs = Field(description="As stored; all that the score is made of.")
