"""Streams: facts between contexts, and batches of events from outside."""

from robosure.platform.events import Envelope, publish
from robosure.platform.streams.bus import EventBus
from robosure.platform.streams.effects import Effects
from robosure.platform.streams.engine import Engine
from robosure.platform.streams.facts import (
    Consumer,
    Subscription,
    on,
    on_several,
    subscriptions,
)
from robosure.platform.streams.ingest import (
    Batch,
    BatchHandler,
    Incoming,
    StreamEvent,
)
from robosure.platform.streams.letters import Letter
from robosure.platform.streams.postman import Postman
from robosure.platform.streams.reader import Reader
from robosure.platform.streams.relay import Relay

__all__ = [
    "Batch",
    "BatchHandler",
    "Consumer",
    "Effects",
    "Engine",
    "Envelope",
    "EventBus",
    "Incoming",
    "Letter",
    "Postman",
    "Reader",
    "Relay",
    "StreamEvent",
    "Subscription",
    "on",
    "on_several",
    "publish",
    "subscriptions",
]
