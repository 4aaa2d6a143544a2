"""Migrating a store that has events: all of them move to their days, and back."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from robosure.platform.database.migrations import downgrade, upgrade
from robosure.platform.database.session import throwaway_engine
from robosure.platform.streams.ingest import key_of, read

_ROBOT = "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f"
_TYPE = "robot.telemetry.v1"


@pytest.fixture
async def url(worker_number: int) -> AsyncIterator[str]:
    """A database as it was before events were kept by day."""
    base = make_url(os.environ["ROBOSURE_TEST_DATABASE_URL"])
    name = f"moving_{worker_number}"
    engine = throwaway_engine(base.render_as_string(hide_password=False))
    async with engine.connect() as connection:
        admin = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        await admin.execute(text(f"CREATE DATABASE {name}"))
        url = base.set(database=name).render_as_string(hide_password=False)
        await asyncio.to_thread(upgrade, url, "0011")
        yield url
        await admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.fixture
async def connection(url: str) -> AsyncIterator[AsyncConnection]:
    engine = throwaway_engine(url)
    async with engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")
    await engine.dispose()


async def fill(connection: AsyncConnection) -> None:
    """12,000 events of four days, one of the year 1, and two that failed."""
    await connection.execute(
        text(
            "INSERT INTO eventflow.events SELECT gen_random_uuid(), '/cells/4', "
            f"'e-' || n, '{_TYPE}', '{_ROBOT}', "
            "date_trunc('day', now(), 'UTC') - n * interval '28 s', "
            "'{\"cycle\": 1}', now() FROM generate_series(1, 12000) n"
        )
    )
    await connection.execute(
        text(
            "INSERT INTO eventflow.events VALUES (gen_random_uuid(), '/cells/4', "
            f"'absurd', '{_TYPE}', '{_ROBOT}', '0001-01-02T00:00:00Z', '{{}}', now())"
        )
    )
    failing = text(
        "INSERT INTO eventflow.failed_events VALUES (gen_random_uuid(), '/cells/4', "
        f":id, '{_TYPE}', '{_ROBOT}', now(), :data, now(), gen_random_uuid(), "
        "'ValueError: no', 'abcdef', 3, now())"
    )
    data = json.dumps({"cycle": 1, "nul": "\0"})
    for id_ in ("e-1", "e-0"):  # the first was sent again since, and stored
        await connection.execute(failing, {"id": id_, "data": data})


async def all_of(connection: AsyncConnection, query: str) -> list[Any]:
    return list((await connection.execute(text(query))).all())


async def test_events_move_to_their_days_and_back(
    url: str, connection: AsyncConnection
) -> None:
    # given a store from before
    await fill(connection)
    columns = "source, id, type, subject, time, CAST(data AS jsonb), received_at"
    sorted_by = "ORDER BY source, id"
    query = f"SELECT {columns} FROM eventflow.events {sorted_by}"
    before = await all_of(connection, query)
    # when it is migrated
    await asyncio.to_thread(upgrade, url)
    # then every event is there, under the key by which it is known when it comes again
    assert await all_of(connection, query) == before
    keyed = await all_of(
        connection, "SELECT key, day, time, subject, source, id FROM eventflow.events"
    )
    for row in keyed:
        assert row.key == key_of(str(row.subject), row.source, row.id)
        assert row.day == row.time.date()
    # on its day, but for the one that has none
    places = await all_of(
        connection,
        "SELECT CAST(CAST(tableoid AS regclass) AS text), count(*) "
        "FROM eventflow.events GROUP BY 1 ORDER BY 1",
    )
    assert len(places) == 5
    assert dict(iter(places))["eventflow_days.events_default"] == 1
    # and what failed is a dead letter, which can be replayed unless it passed since
    letters = await all_of(
        connection,
        "SELECT status, content FROM platform.dead_letters ORDER BY status",
    )
    assert [letter.status for letter in letters] == ["replayed", "waiting"]
    (item,) = read(letters[1].content)
    assert (item.event.id, item.event.data) == ("e-0", {"cycle": 1, "nul": "\0"})
    # when it is taken back, then all is as before
    await asyncio.to_thread(downgrade, url, "0011")
    assert await all_of(connection, query) == before
    failed = await all_of(connection, "SELECT id, error FROM eventflow.failed_events")
    assert [tuple(row) for row in failed] == [("e-0", "ValueError: no")]


async def test_a_migration_that_was_interrupted_starts_over(
    url: str, connection: AsyncConnection
) -> None:
    # given a run that was killed after it had copied some
    await fill(connection)
    await connection.execute(text("CREATE SCHEMA eventflow_days"))
    await connection.execute(
        text(
            "CREATE TABLE eventflow.events_by_day (key uuid, day date) "
            "PARTITION BY RANGE (day)"
        )
    )
    await connection.execute(
        text(
            "CREATE TABLE eventflow_days.events_default "
            "PARTITION OF eventflow.events_by_day DEFAULT"
        )
    )
    # when it is run again
    await asyncio.to_thread(upgrade, url)
    # then all are there, once
    (counted,) = await all_of(
        connection, "SELECT count(*), count(DISTINCT key) FROM eventflow.events"
    )
    assert tuple(counted) == (12_001, 12_001)
