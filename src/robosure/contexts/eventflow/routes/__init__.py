"""Eventflow over HTTP: taking events in, what became of them, and their types."""

from __future__ import annotations

from typing import Final

from robosure.contexts.eventflow.routes import (
    archives,
    dead_letters,
    event_types,
    events,
    replays,
    stored_events,
    stream,
)
from robosure.platform.http import ApiRouter

router: Final = ApiRouter()
for _part in (
    events,
    stream,
    stored_events,
    archives,
    dead_letters,
    replays,
    event_types,
):
    router.include_router(_part.router)
