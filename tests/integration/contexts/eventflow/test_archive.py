"""Retention: archived before they are dropped, whatever is interrupted when."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime, timedelta
from importlib import import_module
from typing import Any, Final

import pytest
from sqlalchemy import select, text, update

from robosure.contexts.eventflow.domain import Retention
from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.eventflow.service.storage import RetentionService
from robosure.contexts.eventflow.service.storage.archive import ArchiveError, Archivist
from robosure.contexts.eventflow.service.storage.partitions import Partitions
from robosure.contexts.eventflow.tables import archives, batches, events
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.files import FileStorage
from robosure.platform.runtime import Runtime
from tests.integration.contexts.eventflow.failing import Failing
from tests.integration.contexts.eventflow.storing import (
    NOON,
    a_batch,
    an_event,
    drop_days,
    places,
    store,
    uid_of,
)
from tests.support import ApiClient, FixedClock, code_of

parquet: Final[Any] = import_module("pyarrow.parquet")

YEAR = {TELEMETRY_TYPE: Retention(days=400, archived=True)}
LATER = timedelta(days=401)
"""After so long, what is of today is past its time."""
DAY = NOON.date()


@pytest.fixture(autouse=True)
async def _without_days(database: Database) -> AsyncIterator[None]:
    await drop_days(database)
    yield
    await drop_days(database)


def keeping(
    runtime: Runtime,
    files: FileStorage | None = None,
    *,
    rules: Mapping[str, Retention] = YEAR,
) -> RetentionService:
    return RetentionService(
        runtime.database, files or runtime.files, runtime.clock, rules=rules
    )


async def a_day_of(database: Database, count: int = 5) -> list[dict[str, Any]]:
    """Events of today, in the partition of today."""
    await Partitions(database).prepare(today=DAY, kept=timedelta(days=400))
    robot = uuid7()
    sent = [an_event(n, robot=robot) for n in range(count)]
    await store(database, sent)
    return sent


async def kept(database: Database) -> list[Any]:
    async with database.read() as session:
        statement = select(archives).order_by(archives.c.id)
        return list((await session.execute(statement)).all())


async def retype(database: Database, number: int, type_: str) -> None:
    """Make an event one of another type, as if there were more than telemetry."""
    async with database.write() as session:
        statement = update(events).where(events.c.id == f"event-{number}")
        await session.execute(statement.values(type=type_))


def read(content: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(io.BytesIO(content)).to_pylist()
    return rows


async def test_a_day_past_its_time_is_archived_and_dropped(
    runtime: Runtime, database: Database, clock: FixedClock
) -> None:
    # given a day of events
    sent = await a_day_of(database)
    # when it is as old as it may be, then it stays
    clock.advance(timedelta(days=400))
    await keeping(runtime).keep_days()
    assert await places(database) == {"eventflow_days.events_2026_03_02": 5}
    assert await kept(database) == []
    # when it is older
    clock.advance(timedelta(days=1))
    await keeping(runtime).keep_days()
    # then it is gone, its partition and that of its batches too
    assert await places(database) == {}
    assert DAY not in await Partitions(database).days(events)
    assert DAY not in await Partitions(database).days(batches)
    assert await Partitions(database).retired(events) == []
    # and a file holds all of it
    (archive,) = await kept(database)
    assert archive.file_key == (
        "archive/events/type=robot.telemetry.v1/day=2026-03-02/"
        "robot.telemetry.v1-2026-03-02-0001.parquet"
    )
    content = await runtime.files.get(archive.file_key)
    assert (archive.events, archive.size) == (5, len(content))
    assert archive.sha256 == hashlib.sha256(content).hexdigest()
    assert archive.dropped_at == clock.now()
    rows = read(content)
    assert [row["key"] for row in rows] == [str(uid_of(event)) for event in sent]
    first = rows[0]
    assert first["batch_id"] is not None
    assert first == {
        "key": str(uid_of(sent[0])),
        "day": DAY,
        "source": sent[0]["source"],
        "id": "event-0",
        "type": TELEMETRY_TYPE,
        "subject": sent[0]["subject"],
        "time": NOON,
        "data": '{"cycle":0}',
        "received_at": NOON,
        "batch_id": first["batch_id"],
        "part": 0,
    }


async def test_a_large_day_fills_several_files(
    runtime: Runtime,
    database: Database,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = "robosure.contexts.eventflow.service.storage.archive"
    monkeypatch.setattr(f"{module}._GROUP", 2)
    monkeypatch.setattr(f"{module}._FILE", 4)
    sent = await a_day_of(database, 11)
    clock.advance(LATER)

    await keeping(runtime).keep_days()

    found = await kept(database)
    assert [archive.events for archive in found] == [4, 4, 3]
    rows = [
        row
        for archive in found
        for row in read(await runtime.files.get(archive.file_key))
    ]
    assert {row["key"] for row in rows} == {str(uid_of(event)) for event in sent}
    assert await places(database) == {}


async def test_a_type_kept_for_less_goes_before_the_others_of_its_day(
    runtime: Runtime, database: Database, clock: FixedClock
) -> None:
    # given a day with telemetry, with a type kept for a month, and one not archived
    await a_day_of(database, 6)
    await retype(database, 1, "robot.mood")
    await retype(database, 2, "robot.mood")
    await retype(database, 3, "robot.noise")
    rules = {
        "robot.mood": Retention(days=30, archived=True),
        "robot.noise": Retention(days=7, archived=False),
    }
    service = keeping(runtime, rules=rules)
    # when eight days have passed, then the noise is gone without a file
    clock.advance(timedelta(days=8))
    await service.keep_days()
    assert await places(database) == {"eventflow_days.events_2026_03_02": 5}
    (noise,) = [a for a in await kept(database) if a.events]
    assert (noise.type, noise.events, noise.file_key) == ("robot.noise", 1, None)
    # when 31 have, then so is the mood, with one
    clock.advance(timedelta(days=23))
    await service.keep_days()
    assert await places(database) == {"eventflow_days.events_2026_03_02": 3}
    (mood,) = [a for a in await kept(database) if a.file_key]
    assert (mood.type, mood.events, mood.dropped_at) == ("robot.mood", 2, clock.now())
    rows = read(await runtime.files.get(mood.file_key))
    assert [row["id"] for row in rows] == ["event-1", "event-2"]
    # and one that comes late goes with the next run
    late = an_event(9, robot=uuid7())
    batch = a_batch(received_at=clock.now())
    await store(database, [late], batch=batch)
    await retype(database, 9, "robot.mood")
    await service.keep_days()
    assert await places(database) == {"eventflow_days.events_2026_03_02": 3}
    assert [a.events for a in await kept(database) if a.file_key] == [2, 1]


async def test_events_too_late_for_a_day_are_archived_out_of_the_default(
    runtime: Runtime, database: Database, clock: FixedClock
) -> None:
    # given events of long ago, of years apart, and one of a clock far ahead
    robot = uuid7()
    times = [
        datetime(1990, 5, 4, tzinfo=NOON.tzinfo),
        datetime(2020, 2, 29, tzinfo=NOON.tzinfo),
        datetime(2999, 1, 1, tzinfo=NOON.tzinfo),
    ]
    await store(
        database, [an_event(n, robot=robot, at=at) for n, at in enumerate(times)]
    )

    await keeping(runtime).keep_days()

    assert await places(database) == {"eventflow_days.events_default": 1}
    (archive,) = await kept(database)
    assert (archive.first_day, archive.last_day, archive.events) == (
        date(1990, 5, 4),
        date(2020, 2, 29),
        2,
    )
    assert archive.dropped_at == clock.now()


@pytest.mark.parametrize("how", ["full", "cut", "changed"])
async def test_nothing_is_dropped_that_was_not_read_back(
    runtime: Runtime,
    database: Database,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    # given a day that takes two files, and storage that fails on the second
    module = "robosure.contexts.eventflow.service.storage.archive"
    monkeypatch.setattr(f"{module}._GROUP", 3)
    monkeypatch.setattr(f"{module}._FILE", 3)
    sent = await a_day_of(database, 6)
    clock.advance(LATER)
    failing = Failing(runtime.files, at=2, how=how)
    # when it is to be archived, then that fails, and the events are there
    with pytest.raises((OSError, ArchiveError)):
        await keeping(runtime, failing).keep_days()
    assert await Partitions(database).retired(events) == [DAY]
    async with database.read() as session:
        there = text("SELECT count(*) FROM eventflow_days.retired_events_2026_03_02")
        assert (await session.execute(there)).scalar_one() == 6
    # and the next run archives all of them, each once
    await keeping(runtime).keep_days()
    found = await kept(database)
    rows = [
        row
        for archive in found
        for row in read(await runtime.files.get(archive.file_key))
    ]
    assert sorted(row["key"] for row in rows) == sorted(
        str(uid_of(event)) for event in sent
    )
    assert all(archive.dropped_at for archive in found)
    assert await Partitions(database).retired(events) == []


@pytest.mark.parametrize("step", ["drop_retired", "mark_day_dropped", "archive"])
async def test_a_run_killed_anywhere_is_finished_by_the_next(
    runtime: Runtime,
    database: Database,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    # given a day past its time, and a run that dies before a step
    sent = await a_day_of(database)
    clock.advance(LATER)

    async def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        owner = Partitions if step == "drop_retired" else Archivist
        patch.setattr(owner, step, die)
        with pytest.raises(SystemExit):
            await keeping(runtime).keep_days()
    # when the next comes
    await keeping(runtime).keep_days()
    # then the events are in one file, once, and nowhere else
    (archive,) = await kept(database)
    rows = read(await runtime.files.get(archive.file_key))
    assert [row["key"] for row in rows] == [str(uid_of(event)) for event in sent]
    assert archive.dropped_at == clock.now()
    assert await Partitions(database).retired(events) == []
    assert await places(database) == {}


async def test_a_run_killed_while_deleting_a_type_deletes_the_rest(
    runtime: Runtime,
    database: Database,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a type past its time within a day, and a run that dies having deleted some
    module = "robosure.contexts.eventflow.service.storage.archive"
    monkeypatch.setattr(f"{module}._DELETED_AT_ONCE", 2)
    await a_day_of(database, 6)
    for n in range(5):
        await retype(database, n, "robot.mood")
    service = keeping(runtime, rules={"robot.mood": Retention(days=30, archived=True)})
    clock.advance(timedelta(days=31))
    delete, calls = Archivist._delete, 0

    async def delete_once(self: Archivist, chunk: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise SystemExit
        await delete(self, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(Archivist, "_delete", delete_once)
        with pytest.raises(SystemExit):
            await service.keep_days()
    assert await places(database) == {"eventflow_days.events_2026_03_02": 4}
    # when the next comes, then the file still holds all, and the store none of them
    await service.keep_days()
    assert await places(database) == {"eventflow_days.events_2026_03_02": 1}
    (archive,) = [a for a in await kept(database) if a.file_key]
    rows = read(await runtime.files.get(archive.file_key))
    assert [row["id"] for row in rows] == [f"event-{n}" for n in range(5)]


async def test_archives_are_listed_and_downloaded_by_admins(
    runtime: Runtime, api: ApiClient, database: Database, clock: FixedClock
) -> None:
    # given an archive
    await a_day_of(database)
    clock.advance(LATER)
    await keeping(runtime).keep_days()
    admin = api.as_("admin")
    # then it is listed by its days and its type
    (item,) = (await admin.get("/event-archives")).json()["items"]
    (archive,) = await kept(database)
    assert item == {
        "id": str(archive.id),
        "type": TELEMETRY_TYPE,
        "first_day": "2026-03-02",
        "last_day": "2026-03-02",
        "events": 5,
        "size": archive.size,
        "sha256": archive.sha256,
        "archived_at": "2027-04-07T12:00:00Z",
        "dropped_at": "2027-04-07T12:00:00Z",
    }
    for asked, count in (
        ({"type": TELEMETRY_TYPE}, 1),
        ({"type": "robot.gossip.v1"}, 0),
        ({"from": "2026-03-02", "to": "2026-03-02"}, 1),
        ({"from": "2026-03-03"}, 0),
        ({"to": "2026-03-01"}, 0),
    ):
        answer = await admin.get("/event-archives", params=asked)
        assert len(answer.json()["items"]) == count
    # and its file is what is stored
    path = f"/event-archives/{archive.id}/file"
    file = await admin.get(path)
    assert file.headers["content-type"] == "application/vnd.apache.parquet"
    assert file.headers["content-disposition"] == (
        'attachment; filename="robot.telemetry.v1-2026-03-02-0001.parquet"'
    )
    assert hashlib.sha256(file.content).hexdigest() == archive.sha256
    missing = await admin.get(f"/event-archives/{uuid7()}/file")
    assert code_of(missing) == "archive_not_found"
    # and nobody else's
    for client in (api.as_("underwriter"), api.as_("operator_admin", kind="operator")):
        for refused in ("/event-archives", path):
            answer = await client.get(refused)
            assert code_of(answer) == "permission_required"


async def test_what_is_dropped_is_remembered_as_counted(
    runtime: Runtime, api: ApiClient, database: Database, clock: FixedClock
) -> None:
    sent = await a_day_of(database)
    clock.advance(LATER)
    await keeping(runtime).keep_days()
    admin = api.as_("admin")

    params = {"subject": sent[0]["subject"]}
    counts = (await admin.get("/event-counts", params=params)).json()
    page = (await admin.get("/events", params=params)).json()

    assert counts["stored"] == 5
    assert page == {"items": [], "next_cursor": None}


async def test_batches_without_a_day_go_in_their_time(
    runtime: Runtime, database: Database, clock: FixedClock
) -> None:
    # given batches of now, in the default partition, whose events stay
    batch = a_batch()._replace(received_at=NOON - timedelta(days=401))
    await store(database, [an_event(0, robot=uuid7())], batch=batch)
    await store(database, [an_event(1, robot=uuid7())])

    await keeping(runtime).keep_days()

    async with database.read() as session:
        left = (await session.execute(select(batches.c.day))).scalars().all()
    assert left == [DAY]
