"""What a robot's telemetry does to its price: bounded, gradual, slow to change band."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from robosure.contexts.risk.events import (
    BAND_EDGES,
    BANDS,
    HIGHEST_MULTIPLIER,
    LOWEST_MULTIPLIER,
)

HYSTERESIS: Final = Decimal(2)
"""Points by which a score must pass an edge to leave the band it was rated in."""
LARGEST_MOVE: Final = Decimal("0.10")
"""How far one re-rating may move the multiplier."""


@dataclass(frozen=True)
class Score:
    """The latest score of a robot, as risk told it.

    Attributes:
        score: 0 (safest) to 100 (riskiest).
        multiplier: what the score alone would do to the price.
    """

    score_id: UUID
    score: Decimal
    multiplier: Decimal


@dataclass(frozen=True)
class TelemetryRating:
    """A robot's telemetry as an insurer rates it, and remembers it once bound."""

    score_id: UUID
    score: Decimal
    band: str
    multiplier: Decimal


def rate_telemetry(score: Score, previous: TelemetryRating | None) -> TelemetryRating:
    """Rate a score, in view of the insurer's previous rating of that robot."""
    multiplier = _between(LOWEST_MULTIPLIER, score.multiplier, HIGHEST_MULTIPLIER)
    if previous:
        multiplier = _between(
            previous.multiplier - LARGEST_MOVE,
            multiplier,
            previous.multiplier + LARGEST_MOVE,
        )
    band = band_of(score.score, previous.band if previous else None)
    return TelemetryRating(score.score_id, score.score, band, multiplier)


def band_of(score: Decimal, previous: str | None = None) -> str:
    """Return the band of a score; with a previous band, with hysteresis.

    Each edge above the previous band must be passed by two points to rise, and each
    below it by two points to fall. From ``low``, 21.9 is ``low`` and 22 ``moderate``.
    """
    if previous is None:
        return BANDS[bisect_right(BAND_EDGES, score)]
    lowest = bisect_right(BAND_EDGES, score - HYSTERESIS)
    highest = bisect_left(BAND_EDGES, score + HYSTERESIS)
    return BANDS[max(lowest, min(BANDS.index(previous), highest))]


def _between(lowest: Decimal, value: Decimal, highest: Decimal) -> Decimal:
    return max(lowest, min(value, highest))
