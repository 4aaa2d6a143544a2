"""A holder that identity has told of, and a way to tell it things."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from robosure.contexts.identity.events import OrganisationRegistered
from robosure.contexts.notifications.consumers import consumers
from robosure.contexts.notifications.domain import Occasion, Recipient, Template
from robosure.contexts.notifications.service import NotificationService
from robosure.contexts.notifications.tables import deliveries
from robosure.contexts.payments.events import InstalmentPaid
from robosure.kernel.events import DomainEvent
from robosure.kernel.ids import uuid7
from robosure.platform.events import Envelope, publish, type_of
from robosure.platform.runtime import Runtime
from tests.integration.contexts.notifications.receiver import Receiver, listening
from tests.support import Delivery, FixedClock
from tests.unit.contexts.payments.factories import NOON, eur

INSURER, HOLDER = uuid7(), uuid7()
Tell = Callable[..., Awaitable[UUID | None]]
Rows = Callable[[], Awaitable[list[Any]]]


def acme(email: str = "fleet@acme.example") -> OrganisationRegistered:
    return OrganisationRegistered(HOLDER, "Acme Robotics", "operator", email, "DE")


def instalment_paid() -> InstalmentPaid:
    return InstalmentPaid(
        instalment_id=uuid7(),
        policy_id=uuid7(),
        policy_number="POL-2026-000042",
        insurer_id=INSURER,
        holder_id=HOLDER,
        sequence=1,
        instalments=12,
        amount=eur("93.34"),
        paid_at=NOON,
    )


async def handle_again(runtime: Runtime, fact: DomainEvent, event_id: UUID) -> None:
    """Handle a fact as if neither the stream nor the inbox knew that it was handled."""
    envelope = Envelope(event_id, type_of(type(fact)), 1, NOON, None, None, None)
    for consumer in consumers:
        if consumer.event is type(fact):
            async with runtime.database.write() as session:
                await consumer.handler(session, fact, envelope)


@pytest.fixture
def told(runtime: Runtime, clock: FixedClock) -> Tell:
    """Tell the holder of a payment; return the e-mail's id. Nothing is sent yet."""

    async def tell(event_id: UUID | None = None) -> UUID | None:
        occasion = Occasion(
            event_id=event_id or uuid7(),
            template=Template.PAYMENT_TAKEN,
            reference="POL-2026-000042",
            insurer_id=INSURER,
            holder_id=HOLDER,
        )
        async with runtime.database.write() as session:
            service = NotificationService.on(session)
            await service.remember(
                Recipient(HOLDER, "Acme Robotics", "fleet@acme.example")
            )
            return await service.tell(occasion, instalment_paid(), at=NOON)

    return tell


@pytest.fixture
def rows(runtime: Runtime) -> Rows:
    """Read every delivery, the e-mails first."""

    async def read() -> list[Any]:
        c = deliveries.c
        async with runtime.database.read() as session:
            found = await session.execute(select(deliveries).order_by(c.channel, c.id))
            return list(found.all())

    return read


@pytest.fixture
async def acme_registered(runtime: Runtime, deliver: Delivery) -> None:
    async with runtime.database.write() as session:
        publish(session, acme())
    await deliver()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with listening() as receiver:
        yield receiver


@pytest.fixture
async def other_receiver() -> AsyncIterator[Receiver]:
    async with listening() as receiver:
        yield receiver
