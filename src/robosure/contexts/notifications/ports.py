"""What notifications needs from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from robosure.contexts.notifications.domain import (
    Attempt,
    Content,
    Delivery,
    EndpointHealth,
    EventType,
    Recipient,
    Template,
    WebhookDelivery,
    WebhookEndpoint,
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


class Vault(Protocol):
    """Keeps secrets that must be read back."""

    def seal(self, secret: str) -> str:
        """Encrypt a secret, to be stored."""
        ...

    def open(self, sealed: str) -> str:
        """Decrypt it again.

        Raises:
            Unavailable: none of the keys at hand sealed it.
        """
        ...


class WebhookEndpoints(Protocol):
    """The endpoints that organisations registered."""

    async def add(self, endpoint: WebhookEndpoint) -> None:
        """Keep a new one, in good health.

        Raises:
            InvalidState: the organisation has as many as it may.
        """
        ...

    async def get(self, endpoint_id: UUID) -> WebhookEndpoint:
        """Return one.

        Raises:
            NotFound: there is none.
        """
        ...

    async def save(self, endpoint: WebhookEndpoint) -> None:
        """Write its changes, which raises its version.

        Raises:
            Stale: somebody else changed it meanwhile.
        """
        ...

    async def remove(self, endpoint: WebhookEndpoint) -> None:
        """Forget it, with its deliveries."""
        ...

    async def wanting(
        self, event_type: EventType, organisation_ids: Collection[UUID]
    ) -> Sequence[WebhookEndpoint]:
        """Return these organisations' enabled endpoints that are told of it."""
        ...

    async def health(self, endpoint_id: UUID) -> EndpointHealth | None:
        """Return an endpoint's health, locked; None if the endpoint is gone."""
        ...


class WebhookDeliveries(Protocol):
    """The webhooks made so far."""

    async def add(self, deliveries: Sequence[WebhookDelivery]) -> int:
        """Keep new ones, at least one; return how many were not there before."""
        ...

    async def endpoint_of(self, delivery_id: UUID, *, organisation_id: UUID) -> UUID:
        """Return the endpoint that a delivery of the organisation's goes to.

        Raises:
            NotFound: the organisation has no such delivery.
        """
        ...

    async def get_for_update(self, delivery_id: UUID) -> WebhookDelivery:
        """Return one, locked.

        Raises:
            NotFound: there is none.
        """
        ...

    async def due(
        self, *, at: datetime, most: int
    ) -> Sequence[tuple[WebhookDelivery, WebhookEndpoint]]:
        """Return deliveries to be sent now, locked; skip what others hold.

        From each endpoint that is enabled and not held, as many as it has room for,
        those that waited longest first.

        Args:
            at: now.
            most: of all endpoints together.
        """
        ...

    async def keep(self, attempt: Attempt) -> None:
        """Write an attempt down."""
        ...

    async def forget(self, *, before: datetime, most: int) -> int:
        """Delete deliveries made before that; return how many."""
        ...


class RobotsFollowed(Protocol):
    """Whom a robot concerns, as far as other contexts told."""

    async def know(self, robot_id: UUID) -> None:
        """Remember that there is such a robot."""
        ...

    async def follow(
        self, robot_ids: Collection[UUID], organisation_ids: Collection[UUID]
    ) -> None:
        """Remember that these robots concern these organisations."""
        ...

    async def followers(self, robot_id: UUID) -> Collection[UUID]:
        """Return the organisations that a robot concerns.

        Raises:
            NotYetKnown: nothing was told of the robot yet.
        """
        ...

    async def move_to_bands(
        self, scored: Mapping[UUID, tuple[str, datetime]]
    ) -> Collection[UUID]:
        """Remember the bands of robots' scores, of those that are the latest.

        Args:
            scored: the band, and when it was found, by robot.

        Returns:
            The robots of which that is news: none was known before, or another.

        Raises:
            NotYetKnown: nothing was told of one of the robots yet.
        """
        ...
