"""Types of events and their schemas, and what eventflow answers over HTTP."""

from robosure.contexts.eventflow.schemas.catalogue import (
    EventTypeItem,
    EventTypeOut,
    EventTypesOut,
)
from robosure.contexts.eventflow.schemas.event_type import (
    CloudEvent,
    EventType,
    catalogue,
)
from robosure.contexts.eventflow.schemas.responses import (
    CountsOut,
    Receipt,
    RefusalOut,
)
from robosure.contexts.eventflow.schemas.stored import (
    ArchiveOut,
    EventOut,
    HandlingOut,
    ProcessingOut,
    ReceptionOut,
    TraceFactOut,
    TraceLetterOut,
    TraceOut,
)
from robosure.contexts.eventflow.schemas.telemetry import (
    EVENT_TYPES,
    SAMPLE,
    TELEMETRY,
    Name,
    TelemetryData,
    TelemetryEvent,
)

__all__ = [
    "EVENT_TYPES",
    "SAMPLE",
    "TELEMETRY",
    "ArchiveOut",
    "CloudEvent",
    "CountsOut",
    "EventOut",
    "EventType",
    "EventTypeItem",
    "EventTypeOut",
    "EventTypesOut",
    "HandlingOut",
    "Name",
    "ProcessingOut",
    "Receipt",
    "ReceptionOut",
    "RefusalOut",
    "TelemetryData",
    "TelemetryEvent",
    "TraceFactOut",
    "TraceLetterOut",
    "TraceOut",
    "catalogue",
]
