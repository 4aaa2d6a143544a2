"""Projections, and replays that build them anew beside the live ones."""

from robosure.platform.streams.projections.projection import (
    Projection,
    Stored,
    StoredEvents,
    Times,
)
from robosure.platform.streams.projections.replayer import Replayer

__all__ = ["Projection", "Replayer", "Stored", "StoredEvents", "Times"]
