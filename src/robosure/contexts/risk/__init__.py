"""Risk assessment: what telemetry says about a robot, as a score that can be replayed.

Owns the schema ``risk``: samples, windows that sum them up, and scores. Handles new
telemetry as eventflow stores it, and listens to ``robots.ModelRegistered`` (limits) and
``robots.RobotRegistered`` (whose robot it is). Publishes ``RobotScored``.
"""

from __future__ import annotations

from robosure.contexts.risk.consumers import batch_handlers, consumers
from robosure.contexts.risk.jobs import score_stale
from robosure.contexts.risk.routes import router
from robosure.platform.context import Context

context = Context(
    name="risk",
    router=router,
    consumers=consumers,
    batch_handlers=batch_handlers,
    jobs=[score_stale],
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
)
