"""Redis Streams: facts between contexts, and batches of events from outside."""

from robosure.platform.events import Envelope, publish
from robosure.platform.streams.consumers import (
    Consumer,
    Subscription,
    on,
    subscriptions,
)
from robosure.platform.streams.ingest import Batch, BatchHandler, StreamEvent
from robosure.platform.streams.relay import Relay

__all__ = [
    "Batch",
    "BatchHandler",
    "Consumer",
    "Envelope",
    "Relay",
    "StreamEvent",
    "Subscription",
    "on",
    "publish",
    "subscriptions",
]
