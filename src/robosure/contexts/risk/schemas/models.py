"""The scoring models: by what rules scores are made."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from robosure.contexts.risk.schemas.examples import FACTOR, example
from robosure.platform.http import OutputModel


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

    model_config = example(
        {
            "items": [
                {
                    "version": "2026.1",
                    "current": True,
                    "prior": "30",
                    "credible_at": "0.5",
                    "factors": [
                        {
                            name: FACTOR[name]
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
