"""From arriving telemetry to a score, whatever the order, batching and repetition."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis
from sqlalchemy import delete

from robosure.contexts.risk import jobs
from robosure.contexts.risk.consumers import batch_handlers
from robosure.contexts.risk.jobs import score_stale
from robosure.contexts.risk.repository import stale_robots
from robosure.contexts.risk.repository.telemetry import SAMPLES_AT_ONCE
from robosure.contexts.risk.service import RiskService
from robosure.contexts.risk.tables import chunks, days, robots, scores, windows
from robosure.kernel.ids import uuid7
from robosure.platform.outbox import outbox
from robosure.platform.runtime import Runtime
from robosure.platform.streams import StreamEvent, publish
from robosure.platform.streams.bus import INGEST, INGEST_GROUP, Record
from robosure.platform.streams.redis_bus import RedisBus
from tests.integration.contexts.risk.conftest import (
    STORED,
    SUMMED,
    RobotToScore,
    Rows,
    shuffled,
)
from tests.support import ApiClient, Delivery, FixedClock
from tests.unit.contexts.risk.factories import at, real_telemetry, telemetry

Settled = Callable[[], Awaitable[bool]]


def _hour(robot: RobotToScore) -> list[StreamEvent]:
    """An hour at a sample per ten seconds, with a stop across a window's edge."""
    return [
        robot.event(
            number,
            at(number * 10),
            telemetry(protective_stop=number in {59, 60, 61, 200}),
        )
        for number in range(360)
    ]


async def test_telemetry_becomes_a_score_that_is_told(
    robot: RobotToScore, rows: Rows, no_longer_stale: Settled, clock: FixedClock
) -> None:
    # when an hour of telemetry arrives
    await robot.arrive(_hour(robot))
    assert not await no_longer_stale()
    await robot.score()
    # then it is scored out of all of it
    (score,) = await rows(scores)
    assert score.robot_id == robot.id
    assert score.samples == 360
    assert score.inputs.exposure.operating_us == 3_590_000_000
    assert score.inputs.exposure.protective_stop.samples == 4
    assert score.inputs.exposure.protective_stop.episodes == 2
    assert score.model_version == "2026.1"
    assert score.scored_at == clock.now()
    assert len(await rows(windows)) == 6
    assert await no_longer_stale()
    # and the fact goes out
    told = [row for row in await rows(outbox) if row.type == "risk.RobotScored"]
    assert [row.payload["score_id"] for row in told] == [str(score.id)]
    assert told[0].payload["band"] == score.band


async def test_the_same_events_again_change_no_sum_and_no_score(
    robot: RobotToScore, rows: Rows, no_longer_stale: Settled
) -> None:
    # given a robot that was scored
    events = _hour(robot)
    await robot.arrive(events)
    await robot.score()
    before = [await rows(table) for table in SUMMED]
    # when all events arrive again, shuffled and batched otherwise
    await robot.arrive(*shuffled(events, seed=1))
    await robot.score()
    # then nothing has changed
    assert [await rows(table) for table in SUMMED] == before
    assert await no_longer_stale()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_any_order_and_batching_gives_the_same_inputs(
    robot: RobotToScore, rows: Rows, seed: int
) -> None:
    # given what telemetry in order gives
    events = _hour(robot)
    await robot.arrive(events)
    await robot.score()
    whole = await rows(windows)
    (expected,) = await rows(scores)
    await _forget(robot)
    # when it arrives out of order and is scored after every batch
    for batch in shuffled(events, seed=seed):
        await robot.arrive(batch)
        await robot.score()
    # then the latest score stands on the same
    found = await rows(scores)
    assert [(row.inputs, row.score) for row in found[-1:]] == [
        (expected.inputs, expected.score)
    ]
    assert await rows(windows) == whole
    (known,) = await rows(robots)
    assert known.score_id == found[-1].id


async def test_live_telemetry_is_appended_to_what_was_summed_up(
    robot: RobotToScore, rows: Rows
) -> None:
    events = _hour(robot)
    await robot.arrive(events)
    await robot.score()
    (expected,) = await rows(scores)
    await _forget(robot)

    for start in range(0, len(events), 25):
        await robot.arrive(events[start : start + 25])
        await robot.score()

    assert (await rows(scores))[-1].inputs == expected.inputs
    (today,) = await rows(days)
    assert today.settled.until == at(3000)
    # and what arrived lies in one chunk a window, but for the one that may grow
    stored = await rows(chunks)
    assert [chunk.window_start for chunk in stored] == [
        *(at(start) for start in (0, 600, 1200, 1800, 2400)),
        *[at(3000)] * 3,
    ]
    assert [chunk.samples for chunk in stored] == [60] * 5 + [25, 25, 10]


async def test_a_real_day_in_pieces_gives_its_known_figures(
    robot: RobotToScore, rows: Rows
) -> None:
    # given a real UR3's day, whose figures were counted independently
    events = [
        robot.event(number, moment, sample)
        for number, (moment, sample) in enumerate(real_telemetry())
    ]
    # when it arrives shuffled, with repeats, and is scored on the way
    batches = shuffled(events, seed=5)
    await robot.arrive(*batches[:10])
    await robot.score()
    await robot.arrive(*batches[10:])
    await robot.score()
    # then
    latest = (await rows(scores))[-1]
    exposure = latest.inputs.exposure
    assert (exposure.samples, exposure.incomplete) == (7_409, 54)
    assert exposure.operating_us == 7_510_608_000
    stops, grips = exposure.protective_stop, exposure.grip_loss
    assert (stops.samples, stops.episodes) == (278, 108)
    assert (grips.samples, grips.episodes) == (243, 77)
    assert (latest.score, latest.band) == (Decimal("44.9"), "elevated")


async def test_a_robot_is_scored_once_it_and_its_model_are_known(
    runtime: Runtime, clock: FixedClock, deliver: Delivery, rows: Rows
) -> None:
    # given telemetry of a robot that nobody told of yet
    robot = RobotToScore(runtime.database, clock, runtime)
    await robot.arrive(_hour(robot))
    await robot.score()
    assert await rows(scores) == []
    # when the robot becomes known, and its model only later
    async with runtime.database.write() as session:
        publish(session, robot.registered())
    await deliver(score_stale)
    assert await rows(scores) == []
    async with runtime.database.write() as session:
        publish(session, robot.model_registered())
    await deliver(score_stale)
    # then it is scored
    assert [row.samples for row in await rows(scores)] == [360]


async def test_new_limits_are_scored_by(
    robot: RobotToScore, rows: Rows, deliver: Delivery
) -> None:
    await robot.arrive(_hour(robot))
    await robot.score()
    async with robot.database.write() as session:
        publish(session, robot.model_registered(limit=Decimal(33)))

    await deliver(score_stale)

    before, after = await rows(scores)
    assert after.score > before.score
    assert after.inputs.exposure == before.inputs.exposure


async def test_a_robot_without_telemetry_is_not_scored(
    robot: RobotToScore, rows: Rows, no_longer_stale: Settled
) -> None:
    await robot.score()

    assert await rows(scores) == []
    assert await no_longer_stale()


async def test_an_empty_batch_has_no_effect(robot: RobotToScore, rows: Rows) -> None:
    await robot.arrive([])

    assert await rows(chunks) == []


async def test_a_robot_being_scored_is_left_to_whoever_is_at_it(
    robot: RobotToScore, rows: Rows
) -> None:
    await robot.arrive(_hour(robot))
    async with robot.database.write() as session:
        await RiskService.on(session).score([robot.id], at=robot.clock.now())
        # when another worker comes while the first has not committed
        await robot.score()
    # then there is one score
    assert len(await rows(scores)) == 1


async def test_concurrent_batches_and_scoring_lose_nothing(
    robot: RobotToScore, rows: Rows
) -> None:
    events = _hour(robot)
    batches = [events[start::12] for start in range(12)]

    await asyncio.gather(
        *(robot.arrive(batch) for batch in batches),
        *(robot.score() for _ in range(4)),
    )
    await robot.score()

    latest = (await rows(scores))[-1]
    assert latest.inputs.exposure.samples == 360
    assert latest.inputs.exposure.protective_stop.episodes == 2


async def test_batches_of_several_robots_in_any_order_do_not_deadlock(
    robot: RobotToScore, rows: Rows
) -> None:
    others = [robot, *(replace(robot, id=uuid7()) for _ in range(5))]
    events = [_hour(each)[:20] for each in others]
    (handler,) = batch_handlers

    async def arrive(order: int) -> None:
        chosen = events[order:] + events[:order]
        async with robot.database.write() as session:
            await handler.handle(session, [event for part in chosen for event in part])

    await asyncio.gather(*(arrive(order) for order in range(6)))

    assert sum(chunk.samples for chunk in await rows(chunks)) == 6 * 6 * 20


@pytest.mark.parametrize("robots_of_a_run", [100, 1])
async def test_one_robot_that_cannot_be_scored_does_not_hold_up_the_others(
    robot: RobotToScore,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    deliver: Delivery,
    robots_of_a_run: int,
) -> None:
    # given two robots, the longer waiting of which cannot be scored
    other = replace(robot, id=uuid7())
    async with robot.database.write() as session:
        publish(session, other.registered())
    await deliver()
    await robot.arrive(_hour(robot))
    robot.clock.advance(timedelta(seconds=1))
    await other.arrive(_hour(other))
    score = RiskService.score

    async def fail(self: RiskService, robot_ids: Any, **when: Any) -> Any:
        if robot.id in robot_ids:
            raise ArithmeticError
        return await score(self, robot_ids, **when)

    monkeypatch.setattr(RiskService, "score", fail)
    monkeypatch.setattr(jobs, "_A_FEW", robots_of_a_run)
    monkeypatch.setattr(jobs, "_TOGETHER", min(robots_of_a_run, 50))
    # when
    await robot.score()
    # then the other one is
    assert [row.robot_id for row in await rows(scores)] == [other.id]


async def test_taking_telemetry_waits_for_no_one_who_scores(
    robot: RobotToScore, rows: Rows
) -> None:
    # given a robot that is being scored
    events = _hour(robot)
    await robot.arrive(events[:300])
    async with robot.database.write() as session:
        await RiskService.on(session).score([robot.id], at=robot.clock.now())
        # when more telemetry of it arrives before that is committed
        await robot.arrive(events[300:])
    # then it is there, and is scored next
    await robot.score()
    assert [score.samples for score in await rows(scores)] == [300, 360]


async def test_much_telemetry_is_summed_up_in_parts_and_scored_once(
    robot: RobotToScore, rows: Rows, no_longer_stale: Settled
) -> None:
    # given more samples than are summed up at once
    number = 2 * SAMPLES_AT_ONCE + 1
    events = [robot.event(each, at(each), telemetry()) for each in range(number)]
    await robot.arrive(
        *(events[start : start + 500] for start in range(0, number, 500))
    )
    # when
    await robot.score()
    # then there is one score, of all of them
    assert [score.samples for score in await rows(scores)] == [number]
    assert await no_longer_stale()


async def test_a_part_is_not_scored_before_the_rest_is_summed_up(
    robot: RobotToScore, rows: Rows
) -> None:
    # given more samples than are summed up at once
    number = SAMPLES_AT_ONCE + 1000
    events = [robot.event(each, at(each), telemetry()) for each in range(number)]
    await robot.arrive(
        *(events[start : start + 500] for start in range(0, number, 500))
    )
    # when a part of them is summed up
    async with robot.database.write() as session:
        behind = await RiskService.on(session).score([robot.id], at=at(0))
    # then the robot is not scored, and still to be
    assert behind == [robot.id]
    assert await rows(scores) == []
    assert sum(window.exposure.samples for window in await rows(windows)) < number
    (known,) = await rows(robots)
    assert known.stale_since is not None


async def test_a_late_sample_changes_its_window_its_day_and_the_score(
    robot: RobotToScore, rows: Rows
) -> None:
    # given samples on three days
    day = 24 * 3600
    seconds = [number * day + second for number in range(3) for second in (0, 5, 700)]
    events = [robot.event(each, at(each), telemetry()) for each in seconds]
    await robot.arrive(events)
    await robot.score()
    windows_before, days_before = await rows(windows), await rows(days)
    # when one comes late, of the second day
    await robot.arrive([robot.event(99, at(day + 3), telemetry(grip_lost=True))])
    await robot.score()
    # then that window and that day are changed, and no other
    changed = [
        after.starts_at
        for before, after in zip(windows_before, await rows(windows), strict=True)
        if before != after
    ]
    assert changed == [at(day)]
    changed = [
        after.starts_at
        for before, after in zip(days_before, await rows(days), strict=True)
        if before != after
    ]
    assert changed == [at(day - 8 * 3600)]
    # and the score is the one of all of them
    exposure = (await rows(scores))[-1].inputs.exposure
    assert (exposure.samples, exposure.grip_loss.episodes) == (10, 1)
    # and the window's samples are in one chunk
    stored = await rows(chunks)
    assert [chunk.samples for chunk in stored if chunk.window_start == at(day)] == [3]


async def test_the_longest_waiting_robots_are_scored_first(
    robot: RobotToScore, deliver: Delivery
) -> None:
    # given robots about which something became known one after the other
    later, never, unknown = (replace(robot, id=uuid7()) for _ in range(3))
    async with robot.database.write() as session:
        publish(session, later.registered())
        publish(session, never.registered())
    await deliver()
    await robot.score()
    for each in (unknown, robot, later):
        robot.clock.advance(timedelta(seconds=1))
        await each.arrive([each.event(1, at(0), telemetry())])
    # when it is asked who is to be scored
    async with robot.database.read() as session:
        waiting = await stale_robots(session, limit=10)
        first = await stale_robots(session, limit=1)
    # then it is those that are registered and have new telemetry, in that order
    assert waiting == [robot.id, later.id]
    assert first == [robot.id]


async def test_away_is_told_and_not_blamed_on_robots(
    robot: RobotToScore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def fail(self: RiskService, robot_ids: Any, **when: Any) -> Any:
        asked.append(len(robot_ids))
        raise ConnectionError

    monkeypatch.setattr(RiskService, "score", fail)

    with pytest.raises(ConnectionError):
        await score_stale.run(robot.runtime, str(robot.id), str(uuid7()))
    assert asked == [2]


@pytest.mark.parametrize(("many", "runs"), [(3, [3]), (4, [1, 2, 3])])
async def test_a_few_robots_are_scored_at_a_time_unless_very_many_wait(
    *,
    robot: RobotToScore,
    deliver: Delivery,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    many: int,
    runs: list[int],
) -> None:
    # given three robots that are to be scored
    others = [replace(robot, id=uuid7()) for _ in range(2)]
    async with robot.database.write() as session:
        for each in others:
            publish(session, each.registered())
    await deliver()
    for each in (robot, *others):
        await each.arrive(_hour(each))
    # when they are, in runs of one robot
    monkeypatch.setattr(jobs, "_A_FEW", 1)
    monkeypatch.setattr(jobs, "_TOGETHER", 1)
    monkeypatch.setattr(jobs, "_MANY", many)
    found: list[int] = []
    for _ in runs:
        await robot.score()
        found.append(len(await rows(scores)))
    # then each has its turn, and all at once if so many are many
    assert found == runs
    assert {row.robot_id for row in await rows(scores)} == {
        each.id for each in (robot, *others)
    }


async def test_scoring_gives_way_while_telemetry_waits_for_long(
    runtime: Runtime, clock: FixedClock
) -> None:
    async def gives_way() -> bool:
        assert score_stale.gives_way is not None
        return await score_stale.gives_way(runtime)

    clock.set(datetime.now(UTC))  # as Redis has it, which says when an entry came
    await runtime.bus.declare(INGEST, INGEST_GROUP, partitions=4)
    assert not await gives_way()
    await runtime.bus.append(Record(INGEST, b"{}", 2))
    assert not await gives_way()
    clock.advance(timedelta(seconds=3))
    assert await gives_way()
    async with runtime.bus.lanes(INGEST, INGEST_GROUP, partitions=4) as lanes:
        await lanes[2].acknowledge(await lanes[2].read(10))
    assert not await gives_way()


async def test_scoring_goes_on_while_the_bus_is_away(runtime: Runtime) -> None:
    assert score_stale.gives_way is not None
    async with Redis.from_url("redis://127.0.0.1:1") as nobody:
        away = replace(runtime, bus=RedisBus(nobody))
        assert not await score_stale.gives_way(away)


async def test_events_sent_twice_over_http_count_once(
    robot: RobotToScore, rows: Rows, api: ApiClient, deliver: Delivery
) -> None:
    # given telemetry that was posted and scored
    events = [_cloud_event(event) for event in _hour(robot)]
    async with api.as_("admin") as client:
        client.headers["Content-Type"] = "application/cloudevents-batch+json"
        first = await client.post("/events", content=orjson.dumps(events))
        await deliver(score_stale)
        before = [await rows(table) for table in STORED]
        # when it is posted again, the other way round
        await client.post("/events", content=orjson.dumps(events[::-1]))
        await deliver(score_stale)
    # then nothing has changed
    assert first.status_code == 202, first.text
    assert [score.samples for score in before[3]] == [360]
    assert [await rows(table) for table in STORED] == before


def _cloud_event(event: StreamEvent) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "data": event.data,
    }


async def _forget(robot: RobotToScore) -> None:
    async with robot.database.write() as session:
        for table in (*STORED, robots):
            await session.execute(delete(table))
        await RiskService.on(session).learn_robot(
            robot.id,
            model_id=robot.model_id,
            operator_id=robot.operator_id,
            manufacturer_id=robot.manufacturer_id,
            at=robot.clock.now(),
        )
