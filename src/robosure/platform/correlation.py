"""Who acts, and in the course of what: carried through logs, events, jobs and calls."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NamedTuple
from uuid import UUID

from structlog.types import EventDict

from robosure.platform.stated import Stated


class Correlation(NamedTuple):
    """The course of events something belongs to.

    Attributes:
        correlation_id: of the request, or the first cause, that began it all.
        causation_id: of the event that caused this directly, if one did.
        actor: the principal on whose behalf, if there is one.
        task: what the platform does by itself, such as ``job payments.collect``.
    """

    correlation_id: str | None = None
    causation_id: UUID | None = None
    actor: UUID | None = None
    task: str | None = None


_current: ContextVar[Correlation] = ContextVar("correlation", default=Correlation())  # noqa: B039 - frozen


def current() -> Correlation:
    """Return the course of events at hand."""
    return _current.get()


def act_for(actor: UUID) -> None:
    """Name the principal, once it is known, for the rest of this request."""
    now = _current.get()
    _current.set(Correlation(now.correlation_id, now.causation_id, actor, now.task))


def correlated(correlation: Correlation) -> Stated[Correlation]:
    """Work within this course of events; log lines carry its ids."""
    return Stated(_current, correlation)


def told(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Add the course of events to a line of the log, where the line does not say so."""
    now = _current.get()
    if now.correlation_id is not None:
        event.setdefault("correlation_id", now.correlation_id)
    if now.causation_id is not None:
        event.setdefault("causation_id", str(now.causation_id))
    if now.actor is not None:
        event.setdefault("actor", str(now.actor))
    return event
