"""What webhooks tell of, and whom: who the fact names, or whom its robot concerns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from robosure.contexts.claims.events import ClaimDecided, ClaimPaid, ClaimReported
from robosure.contexts.notifications.domain import EventType
from robosure.contexts.notifications.jobs import send_webhooks
from robosure.contexts.notifications.service import WebhookService
from robosure.contexts.payments.events import InstalmentFailed, InstalmentPaid
from robosure.contexts.policies.events import PolicyBound
from robosure.contexts.risk.events import RobotScored
from robosure.contexts.robots.events import RobotChanged, RobotRegistered
from robosure.kernel.events import DomainEvent
from robosure.platform.database import WriteSession
from robosure.platform.jobs import defer
from robosure.platform.streams import Consumer, Envelope, on, on_several

OfTwoParties = (
    InstalmentPaid | InstalmentFailed | ClaimReported | ClaimDecided | ClaimPaid
)

_OF_TWO_PARTIES: Final[dict[type[DomainEvent], EventType]] = {
    InstalmentPaid: EventType.INSTALMENT_PAID,
    InstalmentFailed: EventType.INSTALMENT_FAILED,
    ClaimReported: EventType.CLAIM_REPORTED,
    ClaimDecided: EventType.CLAIM_DECIDED,
    ClaimPaid: EventType.CLAIM_PAID,
}


async def _of_two_parties(
    session: WriteSession, event: OfTwoParties, envelope: Envelope
) -> None:
    concerned = {event.holder_id, event.insurer_id}
    await _announce(session, _OF_TWO_PARTIES[type(event)], event, envelope, concerned)


async def _policy_bound(
    session: WriteSession, event: PolicyBound, envelope: Envelope
) -> None:
    robots = WebhookService.on(session).robots
    await robots.follow([each.robot_id for each in event.robots], [event.insurer_id])
    concerned = {event.holder_id, event.insurer_id}
    await _announce(session, EventType.POLICY_BOUND, event, envelope, concerned)


async def _robot_registered(
    session: WriteSession, event: RobotRegistered, envelope: Envelope
) -> None:
    concerned = {event.operator_id, event.manufacturer_id}
    robots = WebhookService.on(session).robots
    await robots.know(event.robot_id)
    await robots.follow([event.robot_id], concerned)
    await _announce(session, EventType.ROBOT_REGISTERED, event, envelope, concerned)


async def _robot_changed(
    session: WriteSession, event: RobotChanged, envelope: Envelope
) -> None:
    concerned = await WebhookService.on(session).robots.followers(event.robot_id)
    await _announce(session, EventType.ROBOT_CHANGED, event, envelope, concerned)


async def _robots_scored(
    session: WriteSession, facts: Sequence[tuple[RobotScored, Envelope]]
) -> None:
    """Tell of each score in another band than the one before it."""
    robots = WebhookService.on(session).robots
    for several in _once_each(facts):
        news = await robots.move_to_bands(
            {event.robot_id: (event.band, event.scored_at) for event, _ in several}
        )
        for event, envelope in several:
            if event.robot_id in news:
                concerned = await robots.followers(event.robot_id)
                await _announce(
                    session, EventType.ROBOT_RISK_CHANGED, event, envelope, concerned
                )


def _once_each(
    facts: Sequence[tuple[RobotScored, Envelope]],
) -> Iterator[Sequence[tuple[RobotScored, Envelope]]]:
    """Split scores, in their order, so that a robot has one in each part at most."""
    part: dict[UUID, tuple[RobotScored, Envelope]] = {}
    for fact in facts:
        robot_id = fact[0].robot_id
        if robot_id in part:
            yield list(part.values())
            part = {}
        part[robot_id] = fact
    if part:
        yield list(part.values())


async def _announce(
    session: WriteSession,
    event_type: EventType,
    event: DomainEvent,
    envelope: Envelope,
    concerned: Collection[UUID],
) -> None:
    added = await WebhookService.on(session).announce(
        event_type,
        event,
        event_id=envelope.event_id,
        concerned=concerned,
        at=envelope.occurred_at,
    )
    if added:
        defer(session, send_webhooks)


_GROUP: Final = "webhooks"

consumers: Final[list[Consumer[Any]]] = [
    on(PolicyBound, group=_GROUP, handler=_policy_bound),
    on(InstalmentPaid, group=_GROUP, handler=_of_two_parties),
    on(InstalmentFailed, group=_GROUP, handler=_of_two_parties),
    on(ClaimReported, group=_GROUP, handler=_of_two_parties),
    on(ClaimDecided, group=_GROUP, handler=_of_two_parties),
    on(ClaimPaid, group=_GROUP, handler=_of_two_parties),
    on(RobotRegistered, group=_GROUP, handler=_robot_registered),
    on(RobotChanged, group=_GROUP, handler=_robot_changed),
    on_several(RobotScored, group=_GROUP, handler=_robots_scored),
]
