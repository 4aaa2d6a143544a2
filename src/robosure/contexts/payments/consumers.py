"""What payments does when cover is sold, and when a settlement is to be paid."""

from __future__ import annotations

from typing import Any

from robosure.contexts.claims.events import PayoutRequested
from robosure.contexts.payments.jobs import charge_due, pay_due
from robosure.contexts.payments.service import PaymentService
from robosure.contexts.policies.events import PolicyBound
from robosure.platform.database import WriteSession
from robosure.platform.jobs import defer
from robosure.platform.streams import Consumer, Envelope, on


async def _policy_bound(
    session: WriteSession, event: PolicyBound, envelope: Envelope
) -> None:
    planned = await PaymentService.on(session).plan(event, at=envelope.occurred_at)
    defer(session, charge_due, *(str(instalment.id) for instalment in planned))


async def _payout_requested(
    session: WriteSession, event: PayoutRequested, envelope: Envelope
) -> None:
    payout = PaymentService.on(session).request_payout(event, at=envelope.occurred_at)
    defer(session, pay_due, str(payout.id))


consumers: list[Consumer[Any]] = [
    on(PolicyBound, group="payments", handler=_policy_bound),
    on(PayoutRequested, group="payments", handler=_payout_requested),
]
