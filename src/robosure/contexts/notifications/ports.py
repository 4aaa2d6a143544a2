"""What notifications needs from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from robosure.contexts.notifications.domain import (
    Content,
    Delivery,
    Recipient,
    Template,
)


class Templates(Protocol):
    """Words for what happened."""

    def render(
        self, template: Template, values: Mapping[str, object], *, locale: str = "en"
    ) -> Content:
        """Fill a template in; a value that it needs and lacks is an error."""
        ...


class Recipients(Protocol):
    """The organisations identity told of."""

    async def put(self, recipient: Recipient) -> None:
        """Remember an organisation, or what is new about it."""
        ...

    async def get(self, organisation_id: UUID) -> Recipient:
        """Return an organisation.

        Raises:
            NotYetKnown: identity has not told of it yet.
        """
        ...


class Deliveries(Protocol):
    """The deliveries made so far."""

    async def add(self, delivery: Delivery) -> bool:
        """Keep a new delivery; False if the recipient was told of the fact before."""
        ...

    async def next_due(
        self, *, at: datetime, among: Collection[UUID]
    ) -> Delivery | None:
        """Return one with something to do, locked; skip what others hold.

        Args:
            at: now.
            among: only these; any if empty.
        """
        ...

    async def get_for_update(self, delivery_id: UUID) -> Delivery:
        """Return a delivery, locked.

        Raises:
            NotFound: there is none.
        """
        ...


class Messages(Protocol):
    """What organisations were told in the app."""

    async def mark_read(
        self,
        message_id: UUID,
        *,
        organisation_id: UUID,
        reader_id: UUID,
        at: datetime,
    ) -> None:
        """Remember who read a message, and when for the first time.

        Raises:
            NotFound: the organisation has no such message.
        """
        ...
