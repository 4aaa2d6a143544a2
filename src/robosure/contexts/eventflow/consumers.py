"""What eventflow does when a robot is registered, and when a claim needs evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from robosure.contexts.claims.events import EvidenceRequested
from robosure.contexts.eventflow.jobs import extract_due
from robosure.contexts.eventflow.repository import remember_robot
from robosure.contexts.eventflow.service.evidence import take_request
from robosure.contexts.robots.events import RobotRegistered
from robosure.platform.database import WriteSession
from robosure.platform.jobs import defer
from robosure.platform.streams import Consumer, Envelope, on


async def _robot_registered(
    session: WriteSession, event: RobotRegistered, _envelope: Envelope
) -> None:
    await remember_robot(
        session,
        event.robot_id,
        operator_id=event.operator_id,
        manufacturer_id=event.manufacturer_id,
    )


async def _evidence_requested(
    session: WriteSession, event: EvidenceRequested, envelope: Envelope
) -> None:
    extraction = await take_request(session, event, at=envelope.occurred_at)
    # Not due yet, it finds nothing to do; the sweep comes back for it.
    defer(session, extract_due, str(extraction.id))


robot_registered: Final = on(
    RobotRegistered, group="eventflow", handler=_robot_registered
)
consumers: Final[Sequence[Consumer[Any]]] = [
    robot_registered,
    on(EvidenceRequested, group="eventflow", handler=_evidence_requested),
]
