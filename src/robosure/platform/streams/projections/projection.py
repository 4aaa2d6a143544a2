"""Projections: tables that follow from facts and events, and so can be rebuilt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Table

from robosure.platform.database.session import ReadSession, WriteSession
from robosure.platform.events import type_of
from robosure.platform.streams.facts import Consumer
from robosure.platform.streams.ingest import BatchHandler, StreamEvent


@dataclass(frozen=True)
class Projection:
    """Tables of one context that its handlers fill, and nobody else adds to.

    What its handlers and ``derive`` read or write is these tables, and other tables of
    the context's schema only to read; all by Core or the ORM, since a replay lets them
    work in another schema. A foreign key or a trigger on one of the tables is refused.

    Attributes:
        name: such as ``risk.exposure``.
        description: what it holds, in a sentence for people.
        consumers: the reactions to facts that fill the tables.
        batch_handlers: the reactions to events from outside that do.
        derive: does a part of what jobs make of the tables' rows; returns whether
            something is left.
        adopt: takes over, when the new tables are about to replace the live ones, what
            neither facts nor events say.
    """

    name: str
    description: str
    tables: tuple[Table, ...]
    consumers: tuple[Consumer[Any], ...] = ()
    batch_handlers: tuple[BatchHandler, ...] = ()
    derive: Callable[[WriteSession], Awaitable[bool]] | None = None
    adopt: Callable[[WriteSession], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be replayed.

        Raises:
            ValueError: the tables or the consumers are not of one context.
        """
        if len({table.schema for table in self.tables}) != 1:
            raise ValueError(f"the tables of {self.name} are not of one schema")
        if len({consumer.group for consumer in self.consumers}) > 1:
            raise ValueError(f"the consumers of {self.name} are not of one group")

    @property
    def schema(self) -> str:
        """The schema of the live tables."""
        return str(self.tables[0].schema)

    @property
    def group(self) -> str:
        """The consumer whose handling of facts is repeated."""
        return self.consumers[0].group if self.consumers else self.schema

    @property
    def fact_types(self) -> Sequence[str]:
        """The kinds of facts that it follows from."""
        return sorted(type_of(consumer.event) for consumer in self.consumers)

    @property
    def event_types(self) -> Sequence[str]:
        """The types of events from outside that it follows from."""
        return sorted({handler.event_type for handler in self.batch_handlers})


class Times(NamedTuple):
    """A range of time: from ``since`` to before ``until``; None is without bound."""

    since: datetime | None = None
    until: datetime | None = None


class Stored(NamedTuple):
    """Some events that took effect.

    Attributes:
        position: up to which these are all there are.
        passed: of those that ``count`` counts, how many these are.
    """

    events: Sequence[StreamEvent]
    position: int
    passed: int


class StoredEvents(Protocol):
    """Events from outside that took effect, in the order in which they did.

    Each transaction in which events took effect has positions in this order; it takes
    its transaction id before it takes a position.
    """

    async def taken(self, session: ReadSession) -> int:
        """Return the last position that was taken, whether it is committed or not."""
        ...

    async def count(self, session: WriteSession, times: Times) -> int:
        """Return about how many events there are with a time in that range."""
        ...

    async def after(
        self,
        session: WriteSession,
        position: int,
        *,
        through: int | None,
        types: Collection[str],
        times: Times,
        limit: int,
    ) -> Stored:
        """Return the next events.

        Args:
            session: to read on.
            position: after which.
            through: up to which position, included; None is up to the last committed.
            types: of which types.
            times: with a time in that range.
            limit: about how many.
        """
        ...

    async def incomplete(self, session: ReadSession | WriteSession) -> str | None:
        """Return why there are not all that ever took effect; None if there are."""
        ...
