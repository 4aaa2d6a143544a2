"""What risk costs: taking telemetry in, and scoring robots by it, per event.

    uv run benchmarks/eventflow/scoring.py --json scoring.json

Both run here, in one process, on a PostgreSQL of their own that commits as in
production. `cpu` is this process's alone and `wall` includes PostgreSQL. Batches are
handed to risk as eventflow hands them on, without what eventflow itself does; robots
are scored after one batch and after several in turn, which tells what a robot costs
from what a sample does. Last, a sample comes late to a robot with a year of windows.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
import uvloop
from sqlalchemy import Table, func, select

from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.risk.consumers import batch_handlers
from robosure.contexts.risk.domain import WINDOW, Limits
from robosure.contexts.risk.service import RiskService
from robosure.contexts.risk.tables import chunks, days, scores, windows
from robosure.entrypoints.stack.servers import embedded_servers
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.database.migrations import upgrade
from robosure.platform.streams import StreamEvent
from robosure.platform.streams.ingest import key_of

LIMITS: Final = Limits(tuple(map(Decimal, "664222")), Decimal(60))
BEGIN: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
TOGETHER: Final = 50
YEAR: Final = timedelta(days=365)
DATA: Final[dict[str, dict[str, Any]]] = {
    "no joints": {
        "battery": 71.5,
        "speed": 0.31,
        "protective_stop": False,
        "position_x": 12.25,
        "position_y": 3.5,
    },
    "six joints": {
        "joint_currents": [0.11, -2.02, -1.53, -1.0, -0.06, 0.41],
        "joint_temperatures": [27.9, 29.4, 29.4, 32.1, 32.3, 32.0],
        "joint_speeds": [0.3, 0.0, 0.0, -0.13, -0.01, -0.15],
        "tool_current": 0.08,
        "cycle": 1,
        "protective_stop": False,
        "grip_lost": False,
    },
}


@dataclass
class Cost:
    """Seconds that something took."""

    cpu: float = 0.0
    wall: float = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Add what is done within."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall

    def per(self, number: int) -> dict[str, float]:
        """Return microseconds for each of so many."""
        return {
            name: round(seconds / number * 1e6, 2)
            for name, seconds in asdict(self).items()
        }


@dataclass
class Fleet:
    """Robots of one model that send the same over and over, a sample per second."""

    data: dict[str, Any]
    robots: list[UUID]
    _sent: int = field(default=0)

    def batch(self, size: int) -> list[StreamEvent]:
        """Return the next events: one of each robot in turn."""
        first, self._sent = self._sent, self._sent + size
        return [self._event(number) for number in range(first, self._sent)]

    def _event(self, number: int) -> StreamEvent:
        second, robot = divmod(number, len(self.robots))
        return self.event(self.robots[robot], BEGIN + timedelta(seconds=second))

    def event(self, robot: UUID, moment: datetime) -> StreamEvent:
        """Return a robot's event of a moment."""
        subject, source, id_ = str(robot), f"/robots/{robot}", moment.isoformat()
        return StreamEvent(
            key=key_of(subject, source, id_).hex,
            source=source,
            id=id_,
            type=TELEMETRY_TYPE,
            subject=subject,
            time=moment,
            content=orjson.dumps(self._varied(moment)),
            received_at=BEGIN,
        )

    def _varied(self, moment: datetime) -> dict[str, Any]:
        """Spread readings over the bins that a day of a real arm fills."""
        step = (moment.second + moment.minute) / 20
        return {
            name: [each + step for each in value] if isinstance(value, list) else value
            for name, value in self.data.items()
        }


async def take(database: Database, events: Sequence[StreamEvent]) -> None:
    """Hand a batch to risk."""
    (handler,) = batch_handlers
    async with database.write() as session:
        await handler.handle(session, events)


async def score(database: Database, robots: Sequence[UUID]) -> None:
    """Score robots as the job does."""
    for start in range(0, len(robots), TOGETHER):
        async with database.write() as session:
            behind = await RiskService.on(session).score(
                robots[start : start + TOGETHER], at=BEGIN
            )
        if behind:
            await score(database, behind)


async def registered(database: Database, kind: str, robots: int) -> Fleet:
    """Register robots of a model of their own."""
    fleet = Fleet(DATA[kind], [uuid7() for _ in range(robots)])
    model = uuid7()
    async with database.write() as session:
        service = RiskService.on(session)
        await service.learn_model(model, LIMITS, at=BEGIN)
        for robot in fleet.robots:
            await service.learn_robot(
                robot,
                model_id=model,
                operator_id=model,
                manufacturer_id=model,
                at=BEGIN,
            )
    await score(database, fleet.robots)
    return fleet


async def rows(database: Database) -> dict[str, int]:
    """Count what is stored."""

    async def count(table: Table) -> int:
        async with database.read() as session:
            statement = select(func.count()).select_from(table)
            return (await session.execute(statement)).scalar_one()

    return {table.name: await count(table) for table in (chunks, windows, days, scores)}


async def measure(
    database: Database, kind: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Measure one kind of telemetry."""
    fleet = await registered(database, kind, arguments.robots)
    await take(database, fleet.batch(arguments.batch))
    await score(database, fleet.robots)  # each statement is compiled by now
    before = await rows(database)
    taking, few, many = Cost(), Cost(), Cost()
    taken = 0
    for number in range(arguments.events // arguments.batch):
        events = fleet.batch(arguments.batch)
        with taking.measured():
            await take(database, events)
        taken += len(events)
        # Once after a single batch, then after several.
        place = number % (arguments.every + 1)
        if place in {0, arguments.every}:
            with many.measured() if place else few.measured():
                await score(database, fleet.robots)
    await score(database, fleet.robots)
    after = await rows(database)
    async with database.read() as session:
        latest = select(scores.c.samples).where(scores.c.robot_id.in_(fleet.robots))
        found = (await session.execute(latest.order_by(scores.c.id.desc()))).scalars()
        assert sum(list(found)[: arguments.robots]) == taken + arguments.batch
    each, further = arguments.batch / arguments.robots, arguments.every - 1
    scorings = taken // (arguments.batch * (arguments.every + 1)) * arguments.robots
    return {
        "events": taken,
        "taking_us_per_event": taking.per(taken),
        "taking_events_per_s": round(taken / taking.wall),
        "scoring_us_per_robot": few.per(scorings),
        "samples_per_scoring": round(each, 1),
        "scoring_us_per_further_sample": {
            name: round((us - few.per(scorings)[name]) / (each * further), 2)
            for name, us in many.per(scorings).items()
        },
        "rows": {name: after[name] - before[name] for name in after},
        "late": await measure_late(database, fleet),
    }


async def measure_late(database: Database, fleet: Fleet) -> dict[str, float]:
    """Measure in milliseconds what a late sample costs a robot with a year before it.

    The year has a sample in each window; it comes at once, and in order.
    """
    robot = fleet.robots[0]
    year = [BEGIN - WINDOW * number for number in range(YEAR // WINDOW, 0, -1)]
    for start in range(0, len(year), 2_000):
        part = year[start : start + 2_000]
        await take(database, [fleet.event(robot, moment) for moment in part])
        await score(database, [robot])
    late = Cost()
    moment = BEGIN - YEAR / 2 + WINDOW / 2
    await take(database, [fleet.event(robot, moment)])
    with late.measured():
        await score(database, [robot])
    return {name: round(us / 1000, 1) for name, us in late.per(1).items()}


async def run(url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure every kind."""
    database = Database(url)
    try:
        return {kind: await measure(database, kind, arguments) for kind in DATA}
    finally:
        await database.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=220_000, help="of each kind")
    parser.add_argument("--robots", type=int, default=300)
    parser.add_argument("--batch", type=int, default=2_000, help="events taken at once")
    parser.add_argument(
        "--every", type=int, default=10, help="batches to every second scoring"
    )
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    with (
        tempfile.TemporaryDirectory() as directory,
        embedded_servers(Path(directory)) as (database_url, _redis_url),
    ):
        Path(directory).chmod(0o755)
        upgrade(database_url)
        document = uvloop.run(run(database_url, arguments))
    print(json.dumps(document, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
