"""Days of the store: made ahead, made for what came before them, and in use at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from robosure.contexts.eventflow.jobs import keep_days, seed
from robosure.contexts.eventflow.service.storage import partitions
from robosure.contexts.eventflow.service.storage.partitions import Partitions
from robosure.contexts.eventflow.tables import batches, events
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.runtime import Runtime
from tests.integration.contexts.eventflow.storing import (
    NOON,
    an_event,
    drop_days,
    places,
    store,
)
from tests.support import ApiClient, FixedClock

TODAY = NOON.date()
KEPT = timedelta(days=400)


@pytest.fixture(autouse=True)
async def _without_days(database: Database) -> AsyncIterator[None]:
    """No day has a partition, before and after."""
    await drop_days(database)
    yield
    await drop_days(database)


def day(n: int) -> date:
    return TODAY + timedelta(days=n)


async def test_days_are_made_from_yesterday_to_a_week_ahead(
    database: Database,
) -> None:
    assert await Partitions(database).prepare(today=TODAY, kept=KEPT) == 18

    for table in (events, batches):
        made = await Partitions(database).days(table)
        assert made == [day(n) for n in range(-1, 8)]


async def test_days_that_are_there_are_not_made_again(database: Database) -> None:
    await Partitions(database).prepare(today=TODAY, kept=KEPT)

    assert await Partitions(database).prepare(today=TODAY, kept=KEPT) == 0
    assert await Partitions(database).prepare(today=day(1), kept=KEPT) == 2


async def test_the_job_and_the_first_start_make_them(
    runtime: Runtime, clock: FixedClock
) -> None:
    await keep_days.run(runtime)
    assert await Partitions(runtime.database).days(events) == [
        day(n) for n in range(-1, 8)
    ]
    assert keep_days.every == timedelta(hours=1)

    await drop_days(runtime.database)
    await seed(runtime.database, runtime.settings)
    assert len(await Partitions(runtime.database).days(events)) == 9


async def test_an_event_goes_to_its_day_and_one_without_to_the_default(
    database: Database,
) -> None:
    # given the days around today
    await Partitions(database).prepare(today=TODAY, kept=KEPT)
    robot = uuid7()
    # when events of today, of long ago and of a mad clock are stored
    times = [NOON, NOON - timedelta(days=90), NOON + timedelta(days=90)]
    await store(
        database, [an_event(n, robot=robot, at=at) for n, at in enumerate(times)]
    )
    # then each has its place
    assert await places(database) == {
        "eventflow_days.events_2026_03_02": 1,
        "eventflow_days.events_default": 2,
    }


async def test_events_move_to_their_day_once_it_is_made(
    api: ApiClient, database: Database
) -> None:
    # given events of today and of ninety days ago, without partitions
    robot = uuid7()
    today = [an_event(n, robot=robot) for n in range(5)]
    ago = NOON - timedelta(days=90)
    past = [an_event(n, robot=robot, at=ago) for n in range(10, 13)]
    mad = an_event(20, robot=robot, at=NOON + timedelta(days=900))
    await store(database, [*today, *past, mad])
    before = (await api.as_("admin").get("/events")).json()
    # when days are made
    await Partitions(database).prepare(today=TODAY, kept=KEPT)
    # then each is in its place, with all that it says
    assert await places(database) == {
        "eventflow_days.events_2025_12_02": 3,
        "eventflow_days.events_2026_03_02": 5,
        "eventflow_days.events_default": 1,
    }
    assert (await api.as_("admin").get("/events")).json() == before
    # and one that comes again is still known
    again = await store(database, [*today, *past, mad])
    async with database.read() as session:
        counted = await session.execute(
            text("SELECT stored, repeated FROM eventflow.batches WHERE batch_id = :id"),
            {"id": again.batch_id},
        )
        assert tuple(counted.one()) == (0, 9)


async def test_a_run_that_was_killed_half_way_is_taken_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given events without a partition, and a run that dies having copied them
    robot = uuid7()
    await store(database, [an_event(n, robot=robot) for n in range(5)])

    async def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Partitions, "_make", die)
        with pytest.raises(SystemExit):
            await Partitions(database).prepare(today=TODAY, kept=KEPT)
    assert await places(database) == {"eventflow_days.events_default": 5}
    # and more that came meanwhile
    await store(database, [an_event(n, robot=robot) for n in range(5, 8)])
    # when the next run comes
    await Partitions(database).prepare(today=TODAY, kept=KEPT)
    # then all are there, once
    assert await places(database) == {"eventflow_days.events_2026_03_02": 8}


async def test_a_busy_table_is_left_to_the_next_run(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a transaction that holds on to the default partition
    monkeypatch.setattr(partitions, "_ATTEMPTS", 1)
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT", "SET LOCAL lock_timeout = '50ms'")
    robot = uuid7()
    async with database.write() as busy:
        await busy.execute(
            text("LOCK TABLE eventflow_days.events_default IN ROW EXCLUSIVE MODE")
        )
        # when days are made
        made = await Partitions(database).prepare(today=TODAY, kept=KEPT)
    # then those of the other table are, and these are made by the next run
    assert made == 9
    assert await Partitions(database).days(events) == []
    await store(database, [an_event(0, robot=robot)])
    assert await Partitions(database).prepare(today=TODAY, kept=KEPT) == 9
    assert await places(database) == {"eventflow_days.events_2026_03_02": 1}


async def test_events_come_in_while_days_are_made(database: Database) -> None:
    # given a sender that does not stop
    robot = uuid7()
    made = asyncio.Event()

    async def send() -> int:
        number = 0
        while not made.is_set():
            await store(
                database, [an_event(n, robot=robot) for n in range(number, number + 5)]
            )
            number += 5
        return number

    sending = asyncio.create_task(send())
    # when days are made, today's among them
    await Partitions(database).prepare(today=TODAY, kept=KEPT)
    made.set()
    sent = await sending
    # then none is lost and none is there twice
    assert await places(database) == {"eventflow_days.events_2026_03_02": sent}


async def test_one_run_at_a_time_keeps_the_days(runtime: Runtime) -> None:
    # given a run that is under way
    async with runtime.database.write() as running:
        await running.execute(
            text("SELECT pg_advisory_xact_lock(hashtext('eventflow.retention'))")
        )
        # when another begins, then it does nothing
        await keep_days.run(runtime)
        assert await Partitions(runtime.database).days(events) == []
    await keep_days.run(runtime)
    assert len(await Partitions(runtime.database).days(events)) == 9
