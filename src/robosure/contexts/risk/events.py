"""What risk tells the others: how risky a robot is found to be, and on what scale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from robosure.kernel.events import DomainEvent

BANDS: Final = ("low", "moderate", "elevated", "high", "severe")
"""What scores are called, the safest first."""
BAND_EDGES: Final = (Decimal(20), Decimal(40), Decimal(60), Decimal(80))
"""Scores at which the next band begins."""
LOWEST_MULTIPLIER: Final = Decimal("0.70")
"""What the safest score, 0, does to the price."""
HIGHEST_MULTIPLIER: Final = Decimal("1.80")
"""What the riskiest score, 100, does to the price."""


@dataclass(frozen=True)
class RobotScored(DomainEvent):
    """A robot has a new score.

    Attributes:
        score: 0 (safest) to 100 (riskiest), one decimal.
        band: ``low``, ``moderate``, ``elevated``, ``high`` or ``severe``.
        multiplier: what the score alone does to the price, 0.70 to 1.80.
        model_version: of the scoring model.
        samples: how many telemetry samples it stands on.
    """

    robot_id: UUID
    score_id: UUID
    score: Decimal
    band: str
    multiplier: Decimal
    model_version: str
    samples: int
    scored_at: datetime


_ID: Final = UUID("019c8f3e-9a40-7000-8000-000000000001")

SAMPLES: Final = (
    RobotScored(
        robot_id=_ID,
        score_id=_ID,
        score=Decimal("61.4"),
        band="high",
        multiplier=Decimal("1.3589"),
        model_version="1",
        samples=86_400,
        scored_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
    ),
)
"""One of each kind, as the catalogue of event types shows it."""
