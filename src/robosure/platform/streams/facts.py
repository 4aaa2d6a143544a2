"""Facts: a context listens to another's with its own consumer group.

The inbox rows of several facts and all that their handlers do are one transaction.
Facts of one publishing context are handled in the order in which they were told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Generic, TypeVar

import orjson
from opentelemetry.trace import SpanKind
from pydantic import TypeAdapter

from robosure.kernel.events import DomainEvent
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database.session import WriteSession
from robosure.platform.events import Envelope, Told, adapter, context_of, type_of
from robosure.platform.outbox import attribute_facts
from robosure.platform.streams.bus import Entry, events_of
from robosure.platform.streams.inbox import first_times
from robosure.platform.streams.letters import Letter
from robosure.platform.tracing import span

E = TypeVar("E", bound=DomainEvent)
Handler = Callable[[WriteSession, E, Envelope], Awaitable[None]]
SetHandler = Callable[[WriteSession, Sequence[tuple[E, Envelope]]], Awaitable[None]]

TOLD: Final = TypeAdapter(Told)


@dataclass(frozen=True)
class Consumer(Generic[E]):
    """One context's reaction to one kind of fact.

    Attributes:
        together: the same for facts that follow one another, if that costs less.
    """

    event: type[E]
    group: str
    handler: Handler[E]
    together: SetHandler[E] | None = None


def on(event: type[E], *, group: str, handler: Handler[E]) -> Consumer[E]:
    """Declare that the context ``group`` reacts to ``event`` with ``handler``."""
    return Consumer(event, group, handler)


def on_several(event: type[E], *, group: str, handler: SetHandler[E]) -> Consumer[E]:
    """Declare a reaction to facts that follow one another, as if it were to each.

    What it tells or changes is put down to the last of them, so it is for copies of
    what others told.
    """

    async def one(session: WriteSession, fact: E, envelope: Envelope) -> None:
        await handler(session, [(fact, envelope)])

    return Consumer(event, group, one, handler)


class Subscription:
    """What a context does with the facts of one publishing context."""

    def __init__(self, consumers: Sequence[Consumer[Any]]) -> None:
        first = consumers[0]
        self.group = first.group
        self.publisher = context_of(first.event)
        self.stream = events_of(self.publisher)
        self._handlers = {type_of(c.event): c for c in consumers}

    def decode(self, entry: Entry) -> Sequence[Told]:
        """Read a fact; none if the context does not listen to its kind."""
        told = read_told(entry.value)
        return [told] if told.envelope.type in self._handlers else []

    async def apply(self, session: WriteSession, items: Sequence[Told]) -> None:
        """Let each fact have its effect, unless it had it before."""
        ids = {told.envelope.event_id for told in items}
        fresh = await first_times(session, self.group, ids)
        new: list[Told] = []
        for told in items:
            if told.envelope.event_id in fresh:
                fresh.remove(told.envelope.event_id)
                new.append(told)
        for type_, several in groupby(new, key=lambda told: told.envelope.type):
            consumer = self._handlers[type_]
            if consumer.together is None:
                for told in several:
                    await self._take_effect(session, consumer, [told])
            else:
                await self._take_effect(session, consumer, list(several))

    async def _take_effect(
        self, session: WriteSession, consumer: Consumer[Any], several: Sequence[Told]
    ) -> None:
        envelope = several[-1].envelope
        because = Correlation(
            envelope.correlation_id,
            envelope.event_id,
            envelope.actor,
            task=f"{self.group} on {envelope.type}",
        )
        with correlated(because), span(envelope.type, kind=SpanKind.CONSUMER):
            read = adapter(consumer.event).validate_python
            facts = [(read(told.payload), told.envelope) for told in several]
            if consumer.together is None:
                (fact,) = facts
                await consumer.handler(session, *fact)
            else:
                await consumer.together(session, facts)
            await session.run_sync(attribute_facts)

    def letter(self, item: Told) -> Letter:
        """Write a fact down."""
        envelope = item.envelope
        return Letter(
            consumer=self.group,
            stream=self.stream,
            event_id=str(envelope.event_id),
            type=envelope.type,
            content=TOLD.dump_json(item).decode(),
            occurred_at=envelope.occurred_at,
            correlation_id=envelope.correlation_id,
        )

    def restore(self, content: str) -> Told:
        """Read a fact back."""
        return read_told(content)


def subscriptions(consumers: Sequence[Consumer[Any]]) -> list[Subscription]:
    """Group consumers into subscriptions: one per listening and publishing context.

    Raises:
        ValueError: a context has two handlers for one kind of fact.
    """
    grouped: dict[tuple[str, str], list[Consumer[Any]]] = {}
    for consumer in consumers:
        key = consumer.group, context_of(consumer.event)
        same = grouped.setdefault(key, [])
        if any(other.event is consumer.event for other in same):
            message = f"{consumer.group} handles {type_of(consumer.event)} twice"
            raise ValueError(message)
        same.append(consumer)
    return [Subscription(group) for group in grouped.values()]


def read_told(value: bytes | str) -> Told:
    """Read a fact as it travels.

    Raises:
        ValueError: it is none.
    """
    return TOLD.validate_python(orjson.loads(value))
