"""Use cases of notices.

:class:`NotificationService` works inside the caller's transaction. :class:`Postman` is
what jobs run: it sends between two transactions of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from robosure.contexts.notifications.domain import (
    Delivery,
    DeliveryStatus,
    Occasion,
    Recipient,
)
from robosure.contexts.notifications.ports import (
    Deliveries,
    Messages,
    Recipients,
    Templates,
)
from robosure.contexts.notifications.repository import (
    JinjaTemplates,
    SqlDeliveries,
    SqlMessages,
    SqlRecipients,
)
from robosure.kernel.errors import Invalid, Unavailable
from robosure.kernel.events import DomainEvent
from robosure.kernel.time import Clock
from robosure.platform.database import Database, WriteSession
from robosure.platform.logging import LoggerMixin
from robosure.platform.mail import Mailer, MailUncertain, Message
from robosure.platform.metrics import counter

DELIVERIES: Final = counter(
    "notifications_deliveries_total",
    "E-mails, by what came of an attempt to send them.",
    ["template", "status"],
)
_TEMPLATES: Final = JinjaTemplates()


class NotificationService(LoggerMixin):
    """Tells holders what happened; the caller's transaction holds all of it or none."""

    def __init__(
        self,
        *,
        recipients: Recipients,
        deliveries: Deliveries,
        messages: Messages,
        templates: Templates,
    ) -> None:
        self._recipients = recipients
        self._deliveries = deliveries
        self._messages = messages
        self._templates = templates

    @classmethod
    def on(cls, session: WriteSession) -> NotificationService:
        """Build over one transaction."""
        return cls(
            recipients=SqlRecipients(session),
            deliveries=SqlDeliveries(session),
            messages=SqlMessages(session),
            templates=_TEMPLATES,
        )

    async def remember(self, recipient: Recipient) -> None:
        """Remember where an organisation's notices go."""
        await self._recipients.put(recipient)

    async def tell(
        self, occasion: Occasion, event: DomainEvent, *, at: datetime
    ) -> UUID | None:
        """Tell the holder by e-mail and in the app, once per fact.

        Returns:
            The e-mail that waits to be sent; None if the holder was told before.

        Raises:
            NotYetKnown: identity has not told of the holder yet.
        """
        recipient = await self._recipients.get(occasion.holder_id)
        content = self._templates.render(
            occasion.template, {"event": event, "recipient": recipient}
        )
        email = Delivery.by_email(occasion, recipient, content, at=at)
        is_new = await self._deliveries.add(email)
        await self._deliveries.add(Delivery.in_app(occasion, recipient, content, at=at))
        self.logger.info(
            "notifications.service.tell_completed",
            template=occasion.template,
            reference=occasion.reference,
            is_new=is_new,
        )
        return email.id if is_new else None

    async def read(
        self,
        message_id: UUID,
        *,
        organisation_id: UUID,
        reader_id: UUID,
        at: datetime,
    ) -> None:
        """Remember that a user has read a message; the first time stands.

        Raises:
            NotFound: the organisation has no such message.
        """
        await self._messages.mark_read(
            message_id, organisation_id=organisation_id, reader_id=reader_id, at=at
        )


class Postman(LoggerMixin):
    """Sends the e-mails that are due, one after the other.

    The transaction that claims a delivery is over before it is sent, and another one
    records what came of it, so nothing is locked while the mail server thinks.
    """

    def __init__(self, database: Database, mailer: Mailer, clock: Clock) -> None:
        self._database = database
        self._mailer = mailer
        self._clock = clock

    async def deliver_due(self, *, among: Collection[UUID] = ()) -> None:
        """Send what is due: of these deliveries, or of all if none are named."""
        while (delivery := await self._claim(among)) is not None:
            if delivery.status is DeliveryStatus.SENDING:
                await self._record(delivery.id, await self._send(delivery))

    async def _claim(self, among: Collection[UUID]) -> Delivery | None:
        now = self._clock.now()
        async with self._database.write() as session:
            delivery = await SqlDeliveries(session).next_due(at=now, among=among)
            if delivery is not None:
                delivery.claim(at=now, repeatable=self._mailer.repeatable)
        return delivery

    async def _send(self, delivery: Delivery) -> Callable[[Delivery], None]:
        """Hand the e-mail over, and return what that makes of the delivery."""
        message = Message(
            to=delivery.recipient,
            subject=delivery.subject,
            text=delivery.text,
            html=delivery.html,
            message_id=delivery.message_id,
        )
        try:
            await self._mailer.send(message)
        except MailUncertain as error:
            return partial(Delivery.doubt, reason=str(error))
        except Unavailable as error:
            return partial(Delivery.postponed, reason=str(error), at=self._clock.now())
        except Invalid as error:
            return partial(Delivery.refused, reason=str(error))
        return partial(Delivery.accepted, at=self._clock.now())

    async def _record(
        self, delivery_id: UUID, ending: Callable[[Delivery], None]
    ) -> None:
        async with self._database.write() as session:
            delivery = await SqlDeliveries(session).get_for_update(delivery_id)
            ending(delivery)
        DELIVERIES.labels(delivery.template, delivery.status).inc()
        self.logger.info(
            "notifications.postman.deliver_completed",
            template=delivery.template,
            reference=delivery.reference,
            status=delivery.status,
            reason=delivery.error,
        )
