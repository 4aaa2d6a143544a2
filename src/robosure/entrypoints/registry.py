"""The contexts, in one tuple: a new service is a folder and a line here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from sqlalchemy import MetaData

from robosure.kernel.events import DomainEvent
from robosure.platform.context import Context
from robosure.platform.database import metadata
from robosure.platform.events import type_of
from robosure.platform.messages import Message, fact, facts_in
from robosure.platform.settings import Settings
from robosure.platform.streams.projections import StoredEvents

NAMES: Final = (
    "identity",
    "catalog",
    "robots",
    "eventflow",
    "risk",
    "policies",
    "claims",
    "payments",
    "notifications",
)


def load(names: Sequence[str] = ()) -> tuple[Context, ...]:
    """Return the named contexts, or all of them.

    Raises:
        ValueError: a name is none of the contexts'.
    """
    if unknown := sorted(set(names) - set(NAMES)):
        message = (
            f"no such context: {', '.join(unknown)} (there are {', '.join(NAMES)})"
        )
        raise ValueError(message)
    chosen = [name for name in NAMES if not names or name in names]
    return tuple(_context(name) for name in chosen)


def _context(name: str) -> Context:
    context: Context = import_module(f"robosure.contexts.{name}").context
    return context


def stored_events(contexts: Sequence[Context]) -> StoredEvents:
    """Return the log of events from outside, which one of the contexts provides."""
    (log,) = (c.stored_events for c in contexts if c.stored_events is not None)
    return log


def messages(settings: Settings) -> tuple[Message, ...]:
    """Describe all that travels: what is taken in from outside, then every fact."""
    contexts = load()
    listeners: defaultdict[str, set[str]] = defaultdict(set)
    for context in contexts:
        for consumer in context.consumers:
            listeners[type_of(consumer.event)].add(consumer.group)
        for handler in context.batch_handlers:
            listeners[handler.event_type].add(context.name)
    processing = {each.name for each in contexts if each.processor is not None}
    taken_in = [
        replace(message, consumers=sorted(listeners[message.name] | processing))
        for context in contexts
        for message in context.takes_in
    ]
    told = [
        fact(
            kind,
            consumers=listeners[type_of(kind)],
            retention_days=settings.facts_retention_days,
        )
        for kind in facts()
    ]
    return (*taken_in, *told)


def facts() -> Iterator[type[DomainEvent]]:
    """Return every kind of fact that the contexts tell, context by context."""
    for name in NAMES:
        module = f"robosure.contexts.{name}.events"
        if find_spec(module) is not None:
            yield from facts_in(import_module(module))


def load_metadata() -> MetaData:
    """Import every module that declares tables, and return them all."""
    for module in _PLATFORM_TABLES:
        import_module(f"robosure.platform.{module}")
    for name in NAMES:
        import_module(f"robosure.contexts.{name}.tables")
    return metadata


_PLATFORM_TABLES: Final = (
    "audit",
    "database.numbers",
    "http.idempotency",
    "outbox",
    "streams.inbox",
    "streams.letters",
    "streams.projections.replays",
)
