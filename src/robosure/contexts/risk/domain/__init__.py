"""Risk's rules: what telemetry exposes a robot to, and the score that makes of it.

Everything here is a function of the *set* of samples. Samples are put in order by time
and event before they are looked at, sums are of integers, and whatever is cut in
windows adds up to exactly what the whole would have been.
"""

from robosure.contexts.risk.domain.exposure import Exposure, Flag
from robosure.contexts.risk.domain.model import (
    CURRENT_MODEL,
    MODELS,
    Assessment,
    Credibility,
    Factor,
    FactorDefinition,
    Limits,
    ScoreInputs,
    ScoringModel,
    band_of,
    multiplier_of,
    replay,
)
from robosure.contexts.risk.domain.readings import CURRENT, TEMPERATURE, Distribution
from robosure.contexts.risk.domain.sample import Sample
from robosure.contexts.risk.domain.score import Score
from robosure.contexts.risk.domain.summing import (
    ByWindow,
    RiskSubject,
    Span,
    Summing,
    Sums,
)
from robosure.contexts.risk.domain.window import (
    WINDOW,
    Day,
    Settled,
    Window,
    by_window,
    day_start,
    window_start,
)

__all__ = [
    "CURRENT",
    "CURRENT_MODEL",
    "MODELS",
    "TEMPERATURE",
    "WINDOW",
    "Assessment",
    "ByWindow",
    "Credibility",
    "Day",
    "Distribution",
    "Exposure",
    "Factor",
    "FactorDefinition",
    "Flag",
    "Limits",
    "RiskSubject",
    "Sample",
    "Score",
    "ScoreInputs",
    "ScoringModel",
    "Settled",
    "Span",
    "Summing",
    "Sums",
    "Window",
    "band_of",
    "by_window",
    "day_start",
    "multiplier_of",
    "replay",
    "window_start",
]
