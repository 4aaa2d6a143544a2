"""Events on their way: names, envelopes, and their form as JSON.

An event is named after the context that tells it and its class:
``policies.PolicyBound``. Its payload is the dataclass, written by Pydantic.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import TypeAdapter

from robosure.kernel.events import DomainEvent
from robosure.platform.database.session import WriteSession

FACTS: Final = "facts"
E = TypeVar("E", bound=DomainEvent)


@dataclass(frozen=True)
class Envelope:
    """What is known about an event besides what it says.

    Attributes:
        event_id: unique; the same however often the event is delivered.
        type: the event's public name, such as ``policies.PolicyBound``.
        version: of the shape of what it says.
        occurred_at: when it became true, in UTC.
        correlation_id: of the request that it goes back to, if any.
        causation_id: the event that it followed from, if any.
        actor: the user or API key that caused it, if any.
    """

    event_id: UUID
    type: str
    version: int
    occurred_at: datetime
    correlation_id: str | None
    causation_id: UUID | None
    actor: UUID | None


@dataclass(frozen=True)
class Told:
    """An event as it travels: envelope and payload."""

    envelope: Envelope
    payload: dict[str, Any]


def context_of(event_type: type[DomainEvent]) -> str:
    """Return the name of the context that tells the event.

    It is the package of its module: ``robosure.contexts.policies.events`` is told by
    ``policies``.
    """
    return event_type.__module__.split(".")[-2]


def type_of(event_type: type[DomainEvent]) -> str:
    """Return the event's public name."""
    return f"{context_of(event_type)}.{event_type.__name__}"


def types_by_name() -> dict[str, type[DomainEvent]]:
    """Return the event types of the contexts that are loaded, by their public names."""
    return {type_of(each): each for each in DomainEvent.__subclasses__()}


def adapter(event_type: type[E]) -> TypeAdapter[E]:
    """Return the reader and writer of an event type."""
    made = _adapters.get(event_type)
    if made is None:
        made = _adapters[event_type] = TypeAdapter(event_type)
    return made


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def publish(session: WriteSession, event: DomainEvent) -> None:
    """Tell a fact that no aggregate records; it goes out with the commit."""
    session.info.setdefault(FACTS, []).append(event)
