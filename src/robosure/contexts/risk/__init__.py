"""Risk assessment: what telemetry says about a robot, as a score that can be replayed.

Owns the schema ``risk``: samples, the windows and days that they sum up to, and scores.
Handles new telemetry as eventflow stores it, and listens to ``robots.ModelRegistered``
(limits) and ``robots.RobotRegistered`` (whose robot it is). Publishes ``RobotScored``.
"""

from __future__ import annotations

from robosure.contexts.risk.consumers import batch_handlers, consumers
from robosure.contexts.risk.jobs import score_stale, sum_up_some
from robosure.contexts.risk.repository import adopt_scores
from robosure.contexts.risk.routes import router
from robosure.contexts.risk.tables import chunks, days, models, robots, windows
from robosure.platform.context import Context
from robosure.platform.streams.projections import Projection

context = Context(
    name="risk",
    router=router,
    consumers=consumers,
    batch_handlers=batch_handlers,
    jobs=[score_stale],
    projections=[
        # Scores stay: they are the record of what was told. A robot is scored again
        # once its tables are rebuilt, and has another score only if it comes out so.
        Projection(
            name="risk.exposure",
            description="Telemetry per robot, and the windows and days it sums up to.",
            tables=(models, robots, chunks, windows, days),
            consumers=tuple(consumers),
            batch_handlers=tuple(batch_handlers),
            derive=sum_up_some,
            adopt=adopt_scores,
        )
    ],
    permissions={
        "risk:read": {
            "admin",
            "underwriter",
            "adjuster",
            "risk_analyst",
            "compliance",
            "support",
            "policyholder",
            "operator_admin",
            "manufacturer_admin",
        },
    },
    descriptions={
        "risk:read": "See risk scores, their factors, and exposure.",
    },
)
