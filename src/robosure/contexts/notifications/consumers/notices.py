"""What people are told of, and the copy of where their notices go."""

from __future__ import annotations

from typing import Any

from robosure.contexts.claims.events import ClaimDecided, ClaimPaid, ClaimReported
from robosure.contexts.identity.events import OrganisationRegistered
from robosure.contexts.notifications.domain import Occasion, Recipient, Template
from robosure.contexts.notifications.events import WebhookEndpointDisabled
from robosure.contexts.notifications.jobs import deliver_due
from robosure.contexts.notifications.service import NotificationService
from robosure.contexts.payments.events import InstalmentFailed, InstalmentPaid
from robosure.contexts.policies.events import PolicyBound
from robosure.kernel.events import DomainEvent
from robosure.platform.database import WriteSession
from robosure.platform.jobs import defer
from robosure.platform.streams import Consumer, Envelope, on

Told = (
    PolicyBound
    | InstalmentPaid
    | InstalmentFailed
    | ClaimReported
    | ClaimDecided
    | ClaimPaid
)


async def _organisation_registered(
    session: WriteSession, event: OrganisationRegistered, _envelope: Envelope
) -> None:
    recipient = Recipient(event.organisation_id, event.name, event.email)
    await NotificationService.on(session).remember(recipient)


async def _policy_bound(
    session: WriteSession, event: PolicyBound, envelope: Envelope
) -> None:
    await _tell(session, event, envelope, Template.POLICY_BOUND, event.number)


async def _instalment_paid(
    session: WriteSession, event: InstalmentPaid, envelope: Envelope
) -> None:
    await _tell(session, event, envelope, Template.PAYMENT_TAKEN, event.policy_number)


async def _instalment_failed(
    session: WriteSession, event: InstalmentFailed, envelope: Envelope
) -> None:
    await _tell(session, event, envelope, Template.PAYMENT_FAILED, event.policy_number)


async def _claim_reported(
    session: WriteSession, event: ClaimReported, envelope: Envelope
) -> None:
    await _tell(session, event, envelope, Template.CLAIM_RECEIVED, event.number)


async def _claim_decided(
    session: WriteSession, event: ClaimDecided, envelope: Envelope
) -> None:
    await _tell(session, event, envelope, Template.CLAIM_DECIDED, event.number)


async def _claim_paid(
    session: WriteSession, event: ClaimPaid, envelope: Envelope
) -> None:
    await _tell(session, event, envelope, Template.CLAIM_PAID, event.number)


async def _webhook_endpoint_disabled(
    session: WriteSession, event: WebhookEndpointDisabled, envelope: Envelope
) -> None:
    occasion = Occasion(
        event_id=envelope.event_id,
        template=Template.WEBHOOK_DISABLED,
        reference=str(event.endpoint_id),
        insurer_id=event.organisation_id,  # nobody else sees what concerns it alone
        holder_id=event.organisation_id,
    )
    await _tell_of(session, event, envelope, occasion)


async def _tell(
    session: WriteSession,
    event: Told,
    envelope: Envelope,
    template: Template,
    reference: str,
) -> None:
    occasion = Occasion(
        event_id=envelope.event_id,
        template=template,
        reference=reference,
        insurer_id=event.insurer_id,
        holder_id=event.holder_id,
    )
    await _tell_of(session, event, envelope, occasion)


async def _tell_of(
    session: WriteSession, event: DomainEvent, envelope: Envelope, occasion: Occasion
) -> None:
    service = NotificationService.on(session)
    email_id = await service.tell(occasion, event, at=envelope.occurred_at)
    if email_id is not None:
        defer(session, deliver_due, str(email_id))


_GROUP = "notifications"

consumers: list[Consumer[Any]] = [
    on(OrganisationRegistered, group=_GROUP, handler=_organisation_registered),
    on(PolicyBound, group=_GROUP, handler=_policy_bound),
    on(InstalmentPaid, group=_GROUP, handler=_instalment_paid),
    on(InstalmentFailed, group=_GROUP, handler=_instalment_failed),
    on(ClaimReported, group=_GROUP, handler=_claim_reported),
    on(ClaimDecided, group=_GROUP, handler=_claim_decided),
    on(ClaimPaid, group=_GROUP, handler=_claim_paid),
    on(WebhookEndpointDisabled, group=_GROUP, handler=_webhook_endpoint_disabled),
]
