"""The schema ``testing`` in this worker's database, empty before each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy import text

from robosure.platform import patience
from robosure.platform.database import Database
from robosure.platform.database.behalf import APP_ROLE, PLATFORM_ROLE
from robosure.platform.runtime import Runtime
from robosure.platform.settings import Settings
from robosure.platform.streams import EventBus, Relay, engine
from tests.integration.platform.testing.app import Gates, an_app
from tests.integration.platform.testing.cart import testing_metadata
from tests.support import ApiClient, FixedClock


@pytest.fixture(scope="session")
async def testing_schema(opened_runtime: Runtime) -> AsyncIterator[None]:
    """Create the schema, and drop it after the last test."""
    engine = opened_runtime.database.engine
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA IF EXISTS testing CASCADE"))
        await connection.execute(text("CREATE SCHEMA testing"))
        await connection.run_sync(testing_metadata.create_all)
        everything = "ALL ON ALL TABLES IN SCHEMA", "ALL ON ALL SEQUENCES IN SCHEMA"
        for what in ("USAGE ON SCHEMA", *everything):
            await connection.execute(
                text(f"GRANT {what} testing TO {APP_ROLE}, {PLATFORM_ROLE}")
            )
    yield
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA testing CASCADE"))


@pytest.fixture
async def db(testing_schema: None, database: Database) -> Database:
    """The database, with the tables of ``testing`` empty."""
    async with database.engine.begin() as connection:
        await connection.execute(
            text("TRUNCATE testing.carts, testing.effects RESTART IDENTITY")
        )
    return database


@pytest.fixture
def web(db: Database, runtime: Runtime, clock: FixedClock) -> ApiClient:
    """Clients of the tests' own small application."""
    Gates.entered, Gates.leave = asyncio.Event(), asyncio.Event()
    return ApiClient(an_app(runtime))


@pytest.fixture
def bus(runtime: Runtime) -> EventBus:
    return runtime.bus


@pytest.fixture
def relay(
    db: Database,
    bus: EventBus,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Relay:
    """The relay; readers beside it do not wait long."""
    monkeypatch.setattr(engine, "_FIRST_BACKOFF", 0.001)
    monkeypatch.setattr(engine, "_WAIT_SECONDS", 0.02)
    return Relay(db, bus, listen_url=settings.sync_database_url)


@pytest.fixture
async def nowhere() -> AsyncIterator[Redis]:
    """A Redis that nobody answers for."""
    away = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    yield away
    await away.aclose()


@pytest.fixture
def waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no process count by itself because this machine's Redis is slow to answer."""
    monkeypatch.setattr(patience, "_PATIENCE_SECONDS", 30)
