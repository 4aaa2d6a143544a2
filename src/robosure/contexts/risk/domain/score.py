"""Scores: what was found, out of what, and by which model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from robosure.contexts.risk.domain.model import (
    CURRENT_MODEL,
    Assessment,
    Credibility,
    Factor,
    ScoreInputs,
    replay,
)
from robosure.contexts.risk.events import RobotScored
from robosure.kernel.aggregate import Aggregate


@dataclass(eq=False, kw_only=True)
class Score(Aggregate):
    """How risky a robot was found to be; never changed, only followed by another."""

    robot_id: UUID
    inputs: ScoreInputs
    model_version: str
    score: Decimal
    band: str
    multiplier: Decimal
    factors: tuple[Factor, ...]
    credibility: Credibility
    samples: int
    scored_at: datetime

    @classmethod
    def of(cls, robot_id: UUID, inputs: ScoreInputs, *, at: datetime) -> Score:
        """Score a robot by the current model, and tell it."""
        found = CURRENT_MODEL.assess(inputs)
        score = cls(
            robot_id=robot_id,
            inputs=inputs,
            model_version=CURRENT_MODEL.version,
            score=found.score,
            band=found.band,
            multiplier=found.multiplier,
            factors=found.factors,
            credibility=found.credibility,
            samples=inputs.exposure.samples,
            scored_at=at,
        )
        score.record(
            RobotScored(
                robot_id=robot_id,
                score_id=score.id,
                score=score.score,
                band=score.band,
                multiplier=score.multiplier,
                model_version=score.model_version,
                samples=score.samples,
                scored_at=at,
            )
        )
        return score

    def holds_for(self, inputs: ScoreInputs) -> bool:
        """Whether scoring these inputs now would find nothing new."""
        return self.inputs == inputs and self.model_version == CURRENT_MODEL.version

    def replayed(self) -> Assessment:
        """Find it again, out of what it was found."""
        return replay(self.inputs, self.model_version)
