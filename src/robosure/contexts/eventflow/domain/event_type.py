"""What a type of event says besides its schema: how long, until when, made of what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

Data = Mapping[str, Any]
"""The ``data`` of an event, as JSON."""
Step = Callable[[UUID, datetime, Data], Data]
"""Adds to an event's data what follows from its subject, its time and its data.

A pure function: the same event gives the same data whenever it is replayed, so a step
reads no clock, no database and no network; and it returns new data, leaving what it was
given as it is. An event for which it raises fails, and is put aside as a dead letter.
"""


@dataclass(frozen=True)
class Retention:
    """How long events of a type are stored.

    Attributes:
        days: of the event's time in UTC.
        archived: whether they are written to an archive before they are dropped.
    """

    days: int
    archived: bool

    def __post_init__(self) -> None:
        """Refuse to keep events for no time at all."""
        if self.days < 1:
            message = "events are kept for at least a day"
            raise ValueError(message)


@dataclass(frozen=True)
class Deprecation:
    """A type that is on its way out.

    Attributes:
        sunset: the day from which it may be refused.
        successor: the type to send instead.
    """

    sunset: date
    successor: str


def enrich(steps: Iterable[Step], subject: UUID, time: datetime, data: Data) -> Data:
    """Let each step, in order, add to what the one before it returned."""
    for step in steps:
        data = step(subject, time, data)
    return data
