"""A bus of each kind, and a database that shows what takes effect."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from robosure.entrypoints.stack.ports import choose_port
from robosure.platform.database import Database
from robosure.platform.runtime import Runtime
from robosure.platform.settings import Settings
from robosure.platform.streams import engine
from robosure.platform.streams.bus import EventBus
from tests.integration.platform.streams.buses import Buses
from tests.integration.platform.streams.marking import marks_metadata
from tests.integration.platform.streams.outage import Gate
from tests.kafka import Broker, shared_broker


@pytest.fixture(scope="session")
async def marks_table(testing_schema: None, opened_runtime: Runtime) -> None:
    async with opened_runtime.database.engine.begin() as connection:
        await connection.run_sync(marks_metadata.create_all)


@pytest.fixture
async def db(marks_table: None, database: Database) -> Database:
    """The database, with no mark in it."""
    async with database.engine.begin() as connection:
        await connection.execute(text("TRUNCATE testing.marks RESTART IDENTITY"))
    return database


@pytest.fixture
async def gated_db(
    db: Database, settings: Settings
) -> AsyncIterator[tuple[Database, Gate]]:
    """The same database, behind a gate that a test can shut."""
    url = make_url(settings.database_url.get_secret_value())
    gate = Gate(url.host or "127.0.0.1", url.port or 5432)
    await gate.open()
    gated = Database(
        url.set(host="127.0.0.1", port=gate.port).render_as_string(hide_password=False)
    )
    yield gated, gate
    await gated.close()
    await gate.shut()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Write no log: rendering what fails on purpose would take most of the time."""
    with capture_logs():
        yield


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait little: for what comes, and before what failed is tried again."""
    monkeypatch.setattr(engine, "_FIRST_BACKOFF", 0.002)
    monkeypatch.setattr(engine, "_WAIT_SECONDS", 0.1)


@pytest.fixture
async def redis_buses(runtime: Runtime, redis_url: str) -> AsyncIterator[Buses]:
    url = make_url(redis_url)
    gate = Gate(url.host or "127.0.0.1", url.port or 6379, port=choose_port())
    gated_url = url.set(host="127.0.0.1", port=gate.port)
    buses = Buses(
        kind="redis",
        url=redis_url,
        gate=gate,
        gated_url=gated_url.render_as_string(hide_password=False),
        stream=f"contract-{uuid4().hex}",
    )
    yield buses
    await buses.close()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The Kafka of this test run; skips where there can be none."""
    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent  # is all workers'
    with shared_broker(directory / "kafka") as broker:
        yield broker


@pytest.fixture
async def kafka_buses(runtime: Runtime, broker: Broker) -> AsyncIterator[Buses]:
    # Where Kafka tells those who come to come back to: one gate for all workers.
    gate = Gate("127.0.0.1", broker.gated_port, port=broker.gate_port)
    buses = Buses(
        kind="kafka",
        url=broker.url,
        gate=gate,
        gated_url=f"kafka://127.0.0.1:{gate.port}",
        stream=f"contract-{uuid4().hex}",
        gate_turn=broker.directory / "gate",
    )
    yield buses
    await buses.close()


# Fetching and starting Kafka counts as the first test's time.
@pytest.fixture(params=["redis", pytest.param("kafka", marks=pytest.mark.timeout(400))])
def buses(request: pytest.FixtureRequest) -> Buses:
    """One server of each kind."""
    found: Buses = request.getfixturevalue(f"{request.param}_buses")
    return found


@pytest.fixture
async def gate(buses: Buses) -> Gate:
    """The way to the server that a test can shut, for buses opened as gated."""
    return await buses.open_gate()


@pytest.fixture
def bus(buses: Buses) -> EventBus:
    return buses.open()
