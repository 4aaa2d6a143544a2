"""What claims does when cover is sold, adjusters join, telemetry or money arrives."""

from __future__ import annotations

from typing import Any

from robosure.contexts.claims.jobs import assign_waiting
from robosure.contexts.claims.service import FactService
from robosure.contexts.eventflow.events import TelemetryExtracted
from robosure.contexts.identity.events import UserChanged, UserRegistered
from robosure.contexts.payments.events import PayoutCompleted, PayoutFailed
from robosure.contexts.policies.events import PolicyBound
from robosure.platform.database import WriteSession
from robosure.platform.jobs import defer
from robosure.platform.streams import Consumer, Envelope, on


async def _policy_bound(
    session: WriteSession, event: PolicyBound, _envelope: Envelope
) -> None:
    await FactService.on(session).policy_bound(event)


async def _user_known(
    session: WriteSession, event: UserRegistered | UserChanged, _envelope: Envelope
) -> None:
    if await FactService.on(session).user_known(event):
        defer(session, assign_waiting)


async def _telemetry_extracted(
    session: WriteSession, event: TelemetryExtracted, envelope: Envelope
) -> None:
    await FactService.on(session).telemetry_extracted(event, at=envelope.occurred_at)


async def _payout_completed(
    session: WriteSession, event: PayoutCompleted, _envelope: Envelope
) -> None:
    await FactService.on(session).payout_completed(event)


async def _payout_failed(
    session: WriteSession, event: PayoutFailed, envelope: Envelope
) -> None:
    await FactService.on(session).payout_failed(event, at=envelope.occurred_at)


consumers: list[Consumer[Any]] = [
    on(PolicyBound, group="claims", handler=_policy_bound),
    on(UserRegistered, group="claims", handler=_user_known),
    on(UserChanged, group="claims", handler=_user_known),
    on(TelemetryExtracted, group="claims", handler=_telemetry_extracted),
    on(PayoutCompleted, group="claims", handler=_payout_completed),
    on(PayoutFailed, group="claims", handler=_payout_failed),
]
