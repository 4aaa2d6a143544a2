"""Risk's store, over SQL: a few statements for any number of robots."""

from robosure.contexts.risk.repository.history import SqlHistory
from robosure.contexts.risk.repository.robots import (
    SqlRobots,
    adopt_scores,
    robots_to_sum,
    stale_robots,
)
from robosure.contexts.risk.repository.scores import SqlScores
from robosure.contexts.risk.repository.telemetry import SqlTelemetry

__all__ = [
    "SqlHistory",
    "SqlRobots",
    "SqlScores",
    "SqlTelemetry",
    "adopt_scores",
    "robots_to_sum",
    "stale_robots",
]
