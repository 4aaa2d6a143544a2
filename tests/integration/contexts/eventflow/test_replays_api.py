"""Replays over HTTP: risk's tables rebuilt of telemetry, ranges, refusals, audit."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import date, timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import func, insert, select, text, update

from robosure.contexts.eventflow.tables import archives, events
from robosure.contexts.risk.domain import Exposure
from robosure.contexts.risk.jobs import score_stale
from robosure.contexts.risk.tables import chunks, days, models, robots, scores, windows
from robosure.entrypoints.demo.simulator import simulate_fleet
from robosure.entrypoints.registry import load, stored_events
from robosure.kernel.ids import uuid7
from robosure.platform.audit import audit_entries
from robosure.platform.database import Database
from robosure.platform.outbox import outbox
from robosure.platform.runtime import Runtime
from robosure.platform.streams.projections import Replayer
from tests.journey import Json, World, answered, events_of
from tests.support import ApiClient, Delivery, FixedClock, code_of

_SUMS: Final = (windows, days)


@pytest.fixture
async def world(api: ApiClient, deliver: Delivery, runtime: Runtime) -> World:
    return await World.build(api, deliver, runtime)


def replayer(runtime: Runtime) -> Replayer:
    return Replayer(
        runtime.database,
        [each for context in load() for each in context.projections],
        stored=stored_events(load()),
        inbox_kept=timedelta(days=30),
        clock=runtime.clock,
    )


async def rows(database: Database, *tables: Any) -> list[Any]:
    async with database.read() as session:
        return [
            [tuple(row) for row in await session.execute(
                select(table).order_by(*table.primary_key.columns)
            )]
            for table in tables
        ]  # fmt: skip


async def samples(database: Database) -> dict[str, list[Any]]:
    """Return robots' samples, whichever chunks they are in."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    async with database.read() as session:
        for row in await session.execute(select(chunks)):
            found[str(row.robot_id)] += orjson.loads(row.content)
    return {robot: sorted(each, key=str) for robot, each in found.items()}


async def stored_keys(database: Database) -> dict[str, list[str]]:
    """Return the keys of the events that are in the store, by robot."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    async with database.read() as session:
        for row in await session.execute(select(events.c.subject, events.c.key)):
            found[str(row.subject)].append(row.key.hex)
    return {robot: sorted(keys) for robot, keys in found.items()}


async def count(database: Database, table: Any) -> int:
    async with database.read() as session:
        statement = select(func.count()).select_from(table)
        return int((await session.execute(statement)).scalar_one())


async def a_fleet(world: World, number: int, *, hours: float = 0.1) -> list[Json]:
    """Register robots, and return events that they could send."""
    ids = await world.robots(number)
    fleet = islice(simulate_fleet(seed=11, hours=hours), number)
    return [
        event
        for robot_id, lived in zip(ids, fleet, strict=True)
        for event in events_of(robot_id, lived)
    ]


async def ask(world: World, projection: str, **times: str) -> Json:
    answer = await world.admin.post(
        "/replays", json={"projection": projection, **times}
    )
    replay: Json = answered(answer, 202)
    return replay


async def ended(world: World, replay: Json) -> Json:
    found: Json = answered(await world.admin.get(f"/replays/{replay['id']}"))
    return found


async def test_risk_rebuilt_beside_telemetry_that_comes_is_as_if_it_never_was(
    world: World, database: Database, runtime: Runtime, deliver: Delivery
) -> None:
    # given robots with telemetry that is summed up and scored, and more to come
    sent = await a_fleet(world, 3)
    half = len(sent) // 2
    await world.send_events(sent[:half], size=200)
    await deliver(score_stale)
    scored = await rows(database, scores)
    # and a bug that spoilt what was summed up
    async with database.write() as session:
        await session.execute(update(windows).values(exposure=Exposure()))
        await session.execute(windows.delete().where(windows.c.robot_id.is_not(None)))
        await session.execute(days.delete())
    # when it is rebuilt while the rest comes in and is processed
    replay = await ask(world, "risk.exposure")

    async def go_on() -> None:
        for start in range(half, len(sent), 150):
            await world.send_events(sent[start : start + 150])
            await deliver(score_stale)

    await asyncio.gather(replayer(runtime).drain(), go_on())
    await deliver(score_stale)
    # then every event that is in the store is in it, once
    replay = await ended(world, replay)
    assert replay["status"] == "done", replay
    kept = await samples(database)
    assert {r: sorted(s[1] for s in each) for r, each in kept.items()} == (
        await stored_keys(database)
    )
    # and it sums up to what it does when summed up from nothing, without a replay
    summed = await rows(database, *_SUMS)
    async with database.write() as session:
        for table in (windows, days):
            await session.execute(table.delete())
        await session.execute(update(chunks).values(summed=False))
        stale = {"settled": None, "stale_since": runtime.clock.now()}
        await session.execute(update(robots).values(**stale))
    await deliver(score_stale)
    assert await rows(database, *_SUMS) == summed
    # and the scores that were told are still there
    assert (await rows(database, scores))[0][: len(scored[0])] == scored[0]


async def test_rebuilding_what_is_right_changes_no_score_and_tells_nothing(
    world: World, database: Database, deliver: Delivery
) -> None:
    # given
    await world.send_events(await a_fleet(world, 2))
    await deliver(score_stale)
    before = await rows(database, models, windows, days, scores)
    known = await samples(database)
    told = await count(database, outbox)
    # when all is rebuilt
    for name in ("risk.exposure", "policies.copies", "eventflow.robots"):
        replay = await ask(world, name)
        await deliver(score_stale)
        replay = await ended(world, replay)
        assert (replay["status"], replay["left_out"]) == ("done", 0), replay
        assert replay["done"] == replay["total"]
    # then
    assert await rows(database, models, windows, days, scores) == before
    assert await samples(database) == known
    assert await count(database, outbox) == told
    async with database.read() as session:
        stale = select(robots.c.id).where(
            robots.c.stale_since.is_not(None) | robots.c.score_id.is_(None)
        )
        assert (await session.execute(stale)).all() == []


async def test_a_range_of_telemetry_is_summed_up_beside(
    world: World, database: Database, deliver: Delivery
) -> None:
    # given telemetry of some minutes
    sent = await a_fleet(world, 1)
    await world.send_events(sent)
    await deliver(score_stale)
    before = await rows(database, windows, days, scores)
    # when a part of it is replayed
    start, end = sent[10]["time"], sent[20]["time"]
    replay = await ask(world, "risk.exposure", **{"from": start, "to": end})
    await deliver()
    replay = await ended(world, replay)
    # then ten events are beside, and nothing live has changed
    assert replay["status"] == "kept", replay
    assert replay["rows"]["robots"] == 1
    async with database.read() as session:
        of_range = text(f"SELECT sum(samples) FROM {replay['tables_in']}.chunks")
        assert (await session.execute(of_range)).scalar_one() == 10
    assert await rows(database, windows, days, scores) == before
    # and it is dropped when that is asked, once
    path = f"/replays/{replay['id']}/tables"
    assert (await world.admin.delete(path)).status_code == 204
    assert code_of(await world.admin.delete(path)) == "replay_keeps_no_tables"
    async with database.read() as session:
        exists = text("SELECT to_regnamespace(:name) IS NULL")
        assert (
            await session.execute(exists, {"name": replay["tables_in"]})
        ).scalar_one()


async def test_what_can_be_rebuilt_is_listed(world: World) -> None:
    listed = answered(await world.admin.get("/projections"))["items"]
    assert [each["name"] for each in listed] == [
        "eventflow.robots",
        "risk.exposure",
        "policies.copies",
    ]
    assert listed[1]["events"] == ["robot.telemetry.v1"]
    assert listed[1]["facts"] == ["robots.ModelRegistered", "robots.RobotRegistered"]
    assert listed[1]["tables"][0] == "risk.models"
    assert [each["incomplete"] for each in listed] == [None, None, None]


async def test_what_would_lose_something_is_refused(
    world: World, database: Database
) -> None:
    # given events that have left the store
    async with database.write() as session:
        await session.execute(
            insert(archives).values(
                id=uuid7(),
                type="robot.telemetry.v1",
                first_day=date(2025, 1, 1),
                last_day=date(2025, 1, 1),
                events=5,
                archived_at=FixedClock().moment,
                dropped_at=FixedClock().moment,
            )
        )
    # when, then
    answer = await world.admin.post("/replays", json={"projection": "risk.exposure"})
    assert code_of(answer) == "projection_incomplete"
    assert "events up to 2025-01-01 have left the store" in answer.json()["detail"]
    assert answered(await world.admin.get("/replays"))["items"] == []
    # and of a range it can be replayed
    await ask(world, "risk.exposure", **{"from": "2026-01-01T00:00:00Z"})


async def test_asking_again_with_the_same_key_asks_once(world: World) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    document = {"projection": "eventflow.robots"}
    first = await world.admin.post("/replays", json=document, headers=headers)
    again = await world.admin.post("/replays", json=document, headers=headers)
    assert answered(first, 202) == answered(again, 202)
    other = await world.admin.post("/replays", json=document)
    assert (other.status_code, code_of(other)) == (409, "replay_under_way")
    assert len(answered(await world.admin.get("/replays"))["items"]) == 1


async def test_a_replay_is_cancelled_before_it_begins(
    world: World, deliver: Delivery, database: Database
) -> None:
    replay = await ask(world, "eventflow.robots")
    path = f"/replays/{replay['id']}/cancel"
    assert answered(await world.admin.post(path), 202)["cancelling"] is True
    await deliver()
    assert (await ended(world, replay))["status"] == "cancelled"
    assert code_of(await world.admin.post(path)) == "replay_ended"
    # and who did it stands in the audit trail
    async with database.read() as session:
        statement = select(audit_entries.c.action, audit_entries.c.subject).where(
            audit_entries.c.action.like("%/replays%")
        )
        found = (await session.execute(statement.order_by(audit_entries.c.id))).all()
    assert [tuple(row) for row in found] == [
        ("POST /api/v1/replays", {}),
        ("POST /api/v1/replays/{replay_id}/cancel", {"replay_id": replay["id"]}),
    ]


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        ({"projection": "risk.everything"}, 404, "projection_not_found"),
        ({}, 422, "invalid_request"),
        (
            {
                "projection": "risk.exposure",
                "from": "2026-01-02T00:00:00Z",
                "to": "2026-01-01T00:00:00Z",
            },
            422,
            "invalid_request",
        ),
    ],
)
async def test_what_cannot_be_replayed_is_refused(
    world: World, document: Json, status: int, code: str
) -> None:
    answer = await world.admin.post("/replays", json=document)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert answered(await world.admin.get("/replays"))["items"] == []


async def test_only_administrators_replay(world: World) -> None:
    replay = await ask(world, "eventflow.robots")
    path = f"/replays/{replay['id']}"
    for other in (world.underwriter, world.holder, world.device):
        for asking in (
            other.get("/replays"),
            other.get("/projections"),
            other.get(path),
            other.post("/replays", json={"projection": "risk.exposure"}),
            other.post(f"{path}/cancel"),
            other.delete(f"{path}/tables"),
        ):
            assert (await asking).status_code == 403
    assert UUID((await ended(world, replay))["requested_by"]) == world.people["admin"]
    assert (await ended(world, replay))["cancelling"] is False
