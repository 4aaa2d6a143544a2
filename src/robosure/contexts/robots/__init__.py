"""Machines: their makers, models, operators, and how their telemetry is read.

Owns robot models, robots and integration profiles. Publishes ``ModelRegistered``,
``RobotRegistered`` and ``RobotChanged``; listens to ``identity`` for organisations.
Telemetry that it maps goes onto the ingest stream, which ``eventflow`` processes.
"""

from __future__ import annotations

from robosure.contexts.robots.consumers import consumers
from robosure.contexts.robots.routes import router
from robosure.contexts.robots.service import seed
from robosure.platform.context import Context

context = Context(
    name="robots",
    router=router,
    consumers=consumers,
    permissions={
        "robots:read": {
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
        "robots:manage": {"admin", "underwriter", "policyholder", "operator_admin"},
        "models:manage": {"admin", "underwriter", "manufacturer_admin"},
        "profiles:manage": {"admin", "operator_admin", "manufacturer_admin"},
        "telemetry:write": {"admin", "operator_admin", "device"},
    },
    descriptions={
        "robots:read": "See robots, models and integration profiles.",
        "robots:manage": "Register and change robots.",
        "models:manage": "Register models of robots.",
        "profiles:manage": "Write integration profiles.",
        "telemetry:write": "Send telemetry in a vendor's own form.",
    },
    seed=seed,
)
