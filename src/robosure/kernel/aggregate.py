"""Aggregates: the unit of change, of locking and of telling what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from robosure.kernel.ids import uuid7

if TYPE_CHECKING:
    from robosure.kernel.events import DomainEvent


@dataclass(eq=False, kw_only=True)
class Aggregate:
    """Something with an identity that changes as one.

    Attributes:
        id: UUIDv7.
        version: counts the stored changes; a write on an older one is stale. The
            store keeps it; the domain reads it.
    """

    id: UUID = field(default_factory=uuid7)
    version: int = 0

    def record(self, event: DomainEvent) -> None:
        """Tell a fact; it is published if, and only if, the change is committed."""
        self.__dict__.setdefault("_pending", []).append(event)

    @property
    def pending_events(self) -> list[DomainEvent]:
        """Facts told since the last commit, in order."""
        return list(self.__dict__.get("_pending", ()))

    def collect_events(self) -> list[DomainEvent]:
        """Take the pending facts away, for the outbox."""
        pending: list[DomainEvent] = self.__dict__.pop("_pending", [])
        return pending
