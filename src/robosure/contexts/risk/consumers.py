"""What risk does with new telemetry, and when robots and models become known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.risk.domain import Limits, Sample
from robosure.contexts.risk.service import RiskService
from robosure.contexts.robots.events import ModelRegistered, RobotRegistered
from robosure.platform.database import WriteSession
from robosure.platform.streams import (
    BatchHandler,
    Consumer,
    Envelope,
    StreamEvent,
    on,
)


class _Told(msgspec.Struct, gc=False):
    """Of a telemetry event what risk asks for; the rest is not even read."""

    protective_stop: bool | None = None
    grip_lost: bool | None = None
    tool_current: float | None = None
    joint_currents: list[float | None] = []
    joint_temperatures: list[float | None] = []
    joint_speeds: list[float | None] = []


_told: Final = msgspec.json.Decoder(_Told).decode


async def _telemetry(session: WriteSession, events: Sequence[StreamEvent]) -> None:
    by_subject: defaultdict[str, list[Sample]] = defaultdict(list)
    for event in events:
        by_subject[event.subject].append(
            Sample.of(_told(event.content), at=event.time, key=event.key)
        )
    if by_subject:
        at = max(event.received_at for event in events)
        arrived = {UUID(subject): part for subject, part in by_subject.items()}
        await RiskService.on(session).take(arrived, at=at)


async def _model_registered(
    session: WriteSession, event: ModelRegistered, envelope: Envelope
) -> None:
    limits = Limits(event.joint_current_limits, event.joint_temperature_limit)
    await RiskService.on(session).learn_model(
        event.model_id, limits, at=envelope.occurred_at
    )


async def _robot_registered(
    session: WriteSession, event: RobotRegistered, envelope: Envelope
) -> None:
    await RiskService.on(session).learn_robot(
        event.robot_id,
        model_id=event.model_id,
        operator_id=event.operator_id,
        manufacturer_id=event.manufacturer_id,
        at=envelope.occurred_at,
    )


consumers: Final[list[Consumer[Any]]] = [
    on(ModelRegistered, group="risk", handler=_model_registered),
    on(RobotRegistered, group="risk", handler=_robot_registered),
]
batch_handlers: Final = [BatchHandler(TELEMETRY_TYPE, _telemetry)]
