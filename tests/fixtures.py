"""Real servers for every test above unit: a migrated database and a Redis per worker.

A plugin and no ``conftest``, so that tests of all folders share them.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.engine import make_url

from robosure.entrypoints.api import create_app
from robosure.entrypoints.registry import load
from robosure.platform.database import Database, metadata
from robosure.platform.database.session import throwaway_engine
from robosure.platform.jobs import install_sender
from robosure.platform.runtime import Runtime, open_runtime
from robosure.platform.settings import Settings
from tests.servers import TEMPLATE
from tests.support import ApiClient, Deferred, Delivery, FixedClock, WaitingStreams


@pytest.fixture(scope="session")
def worker_number() -> int:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return int(worker.removeprefix("gw"))


@pytest.fixture(scope="session")
async def database_url(worker_number: int) -> str:
    """A database of this worker's own, copied from the migrated template."""
    base = make_url(os.environ["ROBOSURE_TEST_DATABASE_URL"])
    name = f"test_{worker_number}"
    engine = throwaway_engine(base.render_as_string(hide_password=False))
    async with engine.connect() as connection:
        admin = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        await admin.execute(text(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    await engine.dispose()
    return base.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def redis_url(worker_number: int) -> str:
    return f"{os.environ['ROBOSURE_TEST_REDIS_URL'].rsplit('/', 1)[0]}/{worker_number}"


@pytest.fixture(scope="session")
def settings(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    home: Path = tmp_path_factory.mktemp("robosure")
    values: dict[str, Any] = {
        "database_url": database_url,
        "redis_url": redis_url,
        "environment": "test",
        "files_directory": home / "files",
        "mail_directory": home / "mail",
        "admin_password": "a long enough password",
        "event_attempts": 2,
    }
    return Settings(_env_file=None, **values)


@pytest.fixture(scope="session")
async def opened_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings, clock=FixedClock()) as runtime:
        yield runtime


@pytest.fixture
async def runtime(opened_runtime: Runtime) -> Runtime:
    """What the application stands on, with every table and stream empty."""
    await _empty(opened_runtime.database)
    await opened_runtime.redis.flushdb()
    return opened_runtime


@pytest.fixture
def clock(opened_runtime: Runtime) -> FixedClock:
    """The application's clock; noon of 2 March 2026 (UTC) until it is set."""
    clock = opened_runtime.clock
    assert isinstance(clock, FixedClock)
    clock.moment = FixedClock().moment
    return clock


@pytest.fixture
def database(runtime: Runtime) -> Database:
    return runtime.database


@pytest.fixture
def redis(runtime: Runtime) -> Redis:
    return runtime.redis


@pytest.fixture(scope="session")
async def application(opened_runtime: Runtime) -> AsyncIterator[ApiClient]:
    app = create_app(
        settings=opened_runtime.settings, runtime=_already_open(opened_runtime)
    )
    async with app.router.lifespan_context(app):
        yield ApiClient(app)


@pytest.fixture
def deferred(runtime: Runtime) -> Deferred:
    return Deferred()


@pytest.fixture
def api(
    application: ApiClient, runtime: Runtime, clock: FixedClock, deferred: Deferred
) -> ApiClient:
    install_sender(deferred.send)
    return application


@pytest.fixture
def deliver(runtime: Runtime, clock: FixedClock, deferred: Deferred) -> Delivery:
    """Runs streams and deferred jobs until nothing is left."""
    install_sender(deferred.send)
    return Delivery(runtime, WaitingStreams(runtime, load()), deferred)


@asynccontextmanager
async def _already_open(runtime: Runtime) -> AsyncIterator[Runtime]:
    yield runtime


async def _empty(database: Database) -> None:
    """Delete rows where there are any; faster than truncating every table."""
    tables = [f"{t.schema}.{t.name}" for t in metadata.sorted_tables]
    async with database.engine.begin() as connection:
        probes = " UNION ALL ".join(
            f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in tables
        )
        used = (await connection.execute(text(probes))).scalars().all()
        if used:
            # The audit trail is only ever added to; not so between two tests.
            await connection.execute(
                text("SET LOCAL session_replication_role = replica")
            )
            await connection.execute(text(f"TRUNCATE {', '.join(used)} CASCADE"))
