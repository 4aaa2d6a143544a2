"""Shortcuts: a robot that risk knows, telemetry that arrives, scoring, and rows."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import Table, select

from robosure.contexts.eventflow.events import TELEMETRY_TYPE, Telemetry
from robosure.contexts.risk.consumers import batch_handlers
from robosure.contexts.risk.jobs import score_stale
from robosure.contexts.risk.tables import chunks, days, robots, scores, windows
from robosure.contexts.robots.events import ModelRegistered, RobotRegistered
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from robosure.platform.database import Database
from robosure.platform.runtime import Runtime
from robosure.platform.streams import StreamEvent, publish
from robosure.platform.streams.ingest import key_of
from tests.support import Delivery, FixedClock
from tests.unit.contexts.risk.factories import UR3

SUMMED = (windows, days, scores)
STORED = (chunks, *SUMMED)
Rows = Callable[[Table], Awaitable[list[Any]]]


@dataclass
class RobotToScore:
    """A registered robot, and ways to let telemetry of it arrive."""

    database: Database
    clock: FixedClock
    runtime: Runtime
    id: UUID = field(default_factory=uuid7)
    model_id: UUID = field(default_factory=uuid7)
    operator_id: UUID = field(default_factory=uuid7)
    manufacturer_id: UUID = field(default_factory=uuid7)

    def model_registered(self, **differing: Any) -> ModelRegistered:
        return ModelRegistered(
            model_id=self.model_id,
            manufacturer_id=self.manufacturer_id,
            name="UR3",
            robot_class="cobot",
            joint_current_limits=UR3.joint_currents,
            joint_temperature_limit=differing.get("limit", UR3.joint_temperature),
        )

    def registered(self) -> RobotRegistered:
        return RobotRegistered(
            robot_id=self.id,
            serial_number="UR3-0001",
            model_id=self.model_id,
            manufacturer_id=self.manufacturer_id,
            operator_id=self.operator_id,
            robot_class="cobot",
            insured_value=Money.of(Decimal(30000), "EUR"),
            commissioned_on=date(2025, 1, 1),
            operating_environment="factory",
        )

    def event(self, number: int, at: datetime, telemetry: Telemetry) -> StreamEvent:
        subject, source, id_ = str(self.id), f"/robots/{self.id}", str(number)
        return StreamEvent(
            key=key_of(subject, source, id_).hex,
            source=source,
            id=id_,
            type=TELEMETRY_TYPE,
            subject=subject,
            time=at,
            content=orjson.dumps(asdict(telemetry)),
            received_at=self.clock.now(),
        )

    async def arrive(self, *batches: Sequence[StreamEvent]) -> None:
        """Hand each batch over in a transaction of its own, as eventflow does."""
        (handler,) = batch_handlers
        for batch in batches:
            async with self.database.write() as session:
                await handler.handle(session, batch)

    async def score(self) -> None:
        await score_stale.run(self.runtime)


@pytest.fixture
async def robot(runtime: Runtime, clock: FixedClock, deliver: Delivery) -> RobotToScore:
    """A robot whose registration has been told."""
    robot = RobotToScore(runtime.database, clock, runtime)
    async with runtime.database.write() as session:
        publish(session, robot.model_registered())
        publish(session, robot.registered())
    await deliver()
    return robot


@pytest.fixture
def rows(runtime: Runtime) -> Rows:
    """Read every row of a table, in order of its primary key."""

    async def read(table: Table) -> list[Any]:
        async with runtime.database.read() as session:
            ordered = select(table).order_by(*table.primary_key.columns)
            return list((await session.execute(ordered)).all())

    return read


@pytest.fixture
def no_longer_stale(rows: Rows) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return all(row.stale_since is None for row in await rows(robots)) and all(
            row.summed for row in await rows(chunks)
        )

    return check


def shuffled(events: Sequence[StreamEvent], seed: int) -> list[list[StreamEvent]]:
    """Cut events into batches of odd sizes, out of order, some of them again."""
    chance = random.Random(seed)
    arriving = [*events, *chance.sample(list(events), len(events) // 20)]
    chance.shuffle(arriving)
    batches: list[list[StreamEvent]] = []
    while arriving:
        size = chance.randint(1, 700)
        batches.append(arriving[:size])
        arriving = arriving[size:]
    return batches
