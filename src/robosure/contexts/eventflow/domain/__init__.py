"""Evidence out of telemetry, and the rules that types of events keep."""

from robosure.contexts.eventflow.domain.compatibility import (
    Break,
    backward_breaks,
    full_breaks,
)
from robosure.contexts.eventflow.domain.event_type import (
    Data,
    Deprecation,
    Retention,
    Step,
    enrich,
)
from robosure.contexts.eventflow.domain.evidence import (
    SETTLING,
    Evidence,
    Extraction,
    StoredEvent,
)

__all__ = [
    "SETTLING",
    "Break",
    "Data",
    "Deprecation",
    "Evidence",
    "Extraction",
    "Retention",
    "Step",
    "StoredEvent",
    "backward_breaks",
    "enrich",
    "full_breaks",
]
