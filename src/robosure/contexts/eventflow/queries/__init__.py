"""Eventflow's read side, as the one who asks may see it."""

from robosure.contexts.eventflow.queries.archives import ArchiveQueries
from robosure.contexts.eventflow.queries.counts import CountQueries
from robosure.contexts.eventflow.queries.cursor import EventPage
from robosure.contexts.eventflow.queries.events import EventQueries
from robosure.contexts.eventflow.queries.search import EventFilter
from robosure.contexts.eventflow.queries.sight import Sight
from robosure.contexts.eventflow.queries.trace import TraceQueries

__all__ = [
    "ArchiveQueries",
    "CountQueries",
    "EventFilter",
    "EventPage",
    "EventQueries",
    "Sight",
    "TraceQueries",
]
