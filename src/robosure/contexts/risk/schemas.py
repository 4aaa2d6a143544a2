"""What risk answers over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Self
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from robosure.contexts.risk.domain import (
    CURRENT,
    CURRENT_MODEL,
    TEMPERATURE,
    Credibility,
    Distribution,
    Exposure,
    Factor,
    Flag,
    Limits,
    ScoreInputs,
    Window,
)
from robosure.contexts.risk.domain.readings import NO_READINGS, Scale
from robosure.platform.http import OutputModel

_ROBOT = "019c8f3e-9a40-7000-8000-000000000001"
_SCORE = "019c8f3e-9a40-7000-8000-000000000002"
_STOPS: JsonDict = {"samples": 278, "episodes": 108}
_SUMMARY: JsonDict = {
    "id": _SCORE,
    "score": "44.9",
    "band": "elevated",
    "multiplier": "1.1703",
    "model_version": "2026.1",
    "samples": 7409,
    "scored_at": "2026-03-02T12:00:00Z",
}
_FACTOR: JsonDict = {
    "code": "protective_stop_rate",
    "name": "Protective stops",
    "unit": "episodes per operating hour",
    "value": "51.7668",
    "points": "25.14",
    "max_points": 30,
    "half_points_at": "10",
    "explanation": "How often the robot stopped to protect itself or people.",
}


def _example(document: JsonDict) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [document]})


class FlagOut(OutputModel):
    """How often something was the case."""

    model_config = _example(_STOPS)

    samples: int = Field(description="Samples in which it was.")
    episodes: int = Field(
        description="Runs of consecutive such samples; one that does not say whether "
        "it was is passed over."
    )

    @classmethod
    def of(cls, flag: Flag) -> Self:
        """Show a flag."""
        return cls(samples=flag.samples, episodes=flag.episodes)


class ReadingsOut(OutputModel):
    """Readings of one joint, against the limit of the robot's model.

    Quantiles are upper edges of bins: 0.1 A or 1 degree Celsius wide.
    """

    model_config = _example(
        {
            "readings": 7355,
            "limit": "6.0",
            "above_limit": 2,
            "p50": "0.2",
            "p95": "1.4",
            "max": "6.807",
        }
    )

    readings: int
    limit: Decimal | None = Field(description="Null where the maker gives none.")
    above_limit: int | None = Field(description="Readings above it.")
    p50: Decimal | None = Field(description="Half the readings are at most this.")
    p95: Decimal | None = Field(description="95 % of the readings are at most this.")
    max: Decimal | None

    @classmethod
    def of(cls, found: Distribution, scale: Scale, limit: Decimal | None) -> Self:
        """Show a distribution."""
        median, high = found.quantile(50), found.quantile(95)
        above = None if limit is None else found.above(scale.bin_of(limit))
        return cls(
            readings=found.readings,
            limit=limit,
            above_limit=above,
            p50=None if median is None else scale.edge(median),
            p95=None if high is None else scale.edge(high),
            max=None if found.highest is None else Decimal(found.highest) / 1000,
        )


class JointOut(OutputModel):
    """What one joint was exposed to."""

    joint: int = Field(description="0 is the base.")
    current: ReadingsOut = Field(description="Magnitudes, in amperes.")
    temperature: ReadingsOut = Field(description="Degrees Celsius.")


class ExposureOut(OutputModel):
    """What the robot's telemetry says."""

    samples: int
    incomplete_samples: int = Field(description="With at least one reading missing.")
    operating_seconds: float = Field(
        description="Sum of the steps from sample to sample of at most 60 seconds."
    )
    first_sample_at: datetime | None
    last_sample_at: datetime | None
    protective_stop: FlagOut
    grip_loss: FlagOut
    joints: list[JointOut]

    @classmethod
    def of(cls, exposure: Exposure, limits: Limits) -> Self:
        """Show an exposure against a model's limits."""
        per_joint = zip_longest(exposure.joint_currents, exposure.joint_temperatures)
        allowed = dict(enumerate(limits.joint_currents))
        return cls(
            samples=exposure.samples,
            incomplete_samples=exposure.incomplete,
            operating_seconds=exposure.operating_us / 1_000_000,
            first_sample_at=exposure.first_at,
            last_sample_at=exposure.last_at,
            protective_stop=FlagOut.of(exposure.protective_stop),
            grip_loss=FlagOut.of(exposure.grip_loss),
            joints=[
                JointOut(
                    joint=joint,
                    current=ReadingsOut.of(
                        current or NO_READINGS, CURRENT, allowed.get(joint)
                    ),
                    temperature=ReadingsOut.of(
                        temperature or NO_READINGS,
                        TEMPERATURE,
                        limits.joint_temperature,
                    ),
                )
                for joint, (current, temperature) in enumerate(per_joint)
            ],
        )


class FactorOut(OutputModel):
    """What one factor contributed: `max_points * value / (value + half_points_at)`."""

    model_config = _example(_FACTOR)

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

    model_config = _example(
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

    model_config = _example(_SUMMARY)

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


class WindowOut(OutputModel):
    """Ten minutes of a robot."""

    model_config = _example(
        {
            "starts_at": "2022-10-26T08:30:00Z",
            "ends_at": "2022-10-26T08:40:00Z",
            "samples": 594,
            "incomplete_samples": 3,
            "operating_seconds": 598.9,
            "first_sample_at": "2022-10-26T08:30:00.402Z",
            "last_sample_at": "2022-10-26T08:39:59.310Z",
            "protective_stop": {"samples": 31, "episodes": 12},
            "grip_loss": {"samples": 9, "episodes": 4},
        }
    )

    starts_at: datetime
    ends_at: datetime
    samples: int
    incomplete_samples: int
    operating_seconds: float
    first_sample_at: datetime | None
    last_sample_at: datetime | None
    protective_stop: FlagOut
    grip_loss: FlagOut

    @classmethod
    def of(cls, window: Window) -> Self:
        """Show a window."""
        exposure = window.exposure
        return cls(
            starts_at=window.starts_at,
            ends_at=window.ends_at,
            samples=exposure.samples,
            incomplete_samples=exposure.incomplete,
            operating_seconds=exposure.operating_us / 1_000_000,
            first_sample_at=exposure.first_at,
            last_sample_at=exposure.last_at,
            protective_stop=FlagOut.of(exposure.protective_stop),
            grip_loss=FlagOut.of(exposure.grip_loss),
        )


class WindowsOut(OutputModel):
    """The windows of a span in which there was telemetry, in order of time."""

    items: list[WindowOut]


class FactorDefinitionOut(OutputModel):
    """A factor of a model: `max_points * value / (value + half_points_at)`."""

    code: str
    name: str
    unit: str
    max_points: int
    half_points_at: Decimal
    explanation: str


class BandOut(OutputModel):
    """A band, from a score up to the next band's."""

    band: str
    from_score: Decimal


class KnotOut(OutputModel):
    """A score and its multiplier; in between two of them, a straight line."""

    score: Decimal
    multiplier: Decimal


class RiskModelOut(OutputModel):
    """A version of the scoring model."""

    version: str
    current: bool = Field(description="Whether new scores are made by it.")
    prior: Decimal = Field(description="The average robot's score.")
    credible_at: Decimal = Field(
        description="Operating hours at which the observation counts half."
    )
    factors: list[FactorDefinitionOut]
    bands: list[BandOut]
    multipliers: list[KnotOut]


class RiskModelsOut(OutputModel):
    """Every version of the scoring model that a score may name."""

    model_config = _example(
        {
            "items": [
                {
                    "version": "2026.1",
                    "current": True,
                    "prior": "30",
                    "credible_at": "0.5",
                    "factors": [
                        {
                            name: _FACTOR[name]
                            for name in FactorDefinitionOut.model_fields
                        }
                    ],
                    "bands": [
                        {"band": "low", "from_score": "0"},
                        {"band": "moderate", "from_score": "20"},
                    ],
                    "multipliers": [
                        {"score": "0", "multiplier": "0.70"},
                        {"score": "30", "multiplier": "1.00"},
                        {"score": "100", "multiplier": "1.80"},
                    ],
                }
            ]
        }
    )

    items: list[RiskModelOut]
