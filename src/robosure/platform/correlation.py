"""Who acts, and in the course of what: carried through logs, events, jobs and calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

import structlog


@dataclass(frozen=True)
class Correlation:
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
    structlog.contextvars.bind_contextvars(actor=str(actor))


@contextmanager
def correlated(correlation: Correlation) -> Iterator[None]:
    """Work within this course of events; log lines carry its id."""
    reset = _current.set(correlation)
    bound = {"correlation_id": correlation.correlation_id}
    if correlation.causation_id is not None:
        bound["causation_id"] = str(correlation.causation_id)
    if correlation.actor is not None:
        bound["actor"] = str(correlation.actor)
    outside = structlog.contextvars.get_contextvars()
    structlog.contextvars.bind_contextvars(**bound)
    try:
        yield
    finally:  # whoever was named meanwhile is not named outside
        structlog.contextvars.clear_contextvars()
        if outside:
            structlog.contextvars.bind_contextvars(**outside)
        _current.reset(reset)
