"""Events from robots: received, validated, stored once, and handed on.

Owns event types and their schemas, processed and failed events, and requests for
evidence. Publishes ``TelemetryExtracted``; listens to ``robots`` for whose a robot is,
and to ``claims`` for the evidence they need.
"""

from __future__ import annotations

from robosure.contexts.eventflow.consumers import consumers
from robosure.contexts.eventflow.jobs import extract_due
from robosure.contexts.eventflow.routes import router
from robosure.contexts.eventflow.service.processing import EventProcessor
from robosure.platform.context import Context

context = Context(
    name="eventflow",
    router=router,
    consumers=consumers,
    jobs=[extract_due],
    processor=EventProcessor,
    permissions={
        "events:write": {"admin", "operator_admin", "device"},
        "events:read": {
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
