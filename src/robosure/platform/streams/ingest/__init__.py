"""Ingest: batches of events from outside, taken at once and processed in micro-batches.

Whoever receives events appends each accepted batch as one stream entry; workers read
several entries and process them in one transaction.
"""

from robosure.platform.streams.ingest.batches import (
    Batch,
    BatchHandler,
    StreamEvent,
    append,
    identify,
)
from robosure.platform.streams.ingest.worker import IngestWorker, waiting_since

__all__ = [
    "Batch",
    "BatchHandler",
    "IngestWorker",
    "StreamEvent",
    "append",
    "identify",
    "waiting_since",
]
