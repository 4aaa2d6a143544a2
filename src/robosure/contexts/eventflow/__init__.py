"""Events from robots: received, validated, stored once, and handed on.

Owns event types and their schemas, processed events and their archives, dead letters,
and requests for evidence. Publishes ``TelemetryExtracted``; listens to ``robots`` for
whose a robot is, and to ``claims`` for the evidence they need.
"""

from __future__ import annotations

from robosure.contexts.eventflow.consumers import consumers, robot_registered
from robosure.contexts.eventflow.jobs import extract_due, keep_days, seed
from robosure.contexts.eventflow.routes import router
from robosure.contexts.eventflow.schemas import EVENT_TYPES
from robosure.contexts.eventflow.service.log import StoredLog
from robosure.contexts.eventflow.service.processing import EventProcessor
from robosure.contexts.eventflow.tables import robots
from robosure.platform.context import Context
from robosure.platform.streams.projections import Projection

context = Context(
    name="eventflow",
    router=router,
    consumers=consumers,
    jobs=[extract_due, keep_days],
    seed=seed,
    takes_in=[event_type.message() for event_type in EVENT_TYPES.values()],
    processor=EventProcessor,
    projections=[
        Projection(
            name="eventflow.robots",
            description="Who runs and who made a robot, and so may see its events.",
            tables=(robots,),
            consumers=(robot_registered,),
        )
    ],
    stored_events=StoredLog(),
    permissions={
        "event_archives:read": {"admin"},
        "facts:read": {"admin", "compliance"},
        "events:write": {"admin", "operator_admin", "device"},
        "replays:manage": {"admin"},
        "dead_letters:manage": {"admin", "support"},
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
    descriptions={
        "event_archives:read": "Download archives of stored events.",
        "facts:read": "See the facts that contexts tell each other.",
        "events:write": "Send events of one's robots.",
        "replays:manage": "Have copies of facts and events built anew.",
        "dead_letters:manage": "See, correct, replay and discard events that failed.",
        "events:read": "See stored events and what came of them.",
    },
)
