"""Telemetry that comes again, in any order or batches, changes no row and no score."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Final

import pytest

from robosure.entrypoints.demo.simulator import simulate_fleet
from robosure.platform.database import Database
from robosure.platform.runtime import Runtime
from tests.journey import Json, World, events_of, rows
from tests.real_data import ur3_file
from tests.support import ApiClient, Delivery, FixedClock

_TABLES: Final = (
    "eventflow.events",
    "risk.chunks",
    "risk.days",
    "risk.windows",
    "risk.scores",
    "risk.robots",
)


@pytest.fixture
async def world(api: ApiClient, deliver: Delivery, runtime: Runtime) -> World:
    return await World.build(api, deliver, runtime)


def told(risk: Json) -> Json:
    """What a score says, without which score it is and when it was made."""
    own = {"robot_id", "score_id", "scored_at"}
    return {name: value for name, value in risk.items() if name not in own}


async def test_a_real_arms_day_replayed_shuffled_changes_nothing(
    world: World, database: Database, clock: FixedClock
) -> None:
    # given a day of a real arm, processed and scored
    header, *lines = ur3_file().read_bytes().splitlines(keepends=True)
    (robot_id,) = await world.robots()
    assert await world.send_rows(robot_id, header, lines) == 7409
    score = await world.risk(robot_id)
    before = await rows(database, *_TABLES)
    assert await world.counts(robot_id) == (7409, 0, 0)
    # when it comes again: shuffled, cut otherwise, and every tenth row twice
    again = [*lines, *lines[::10]]
    Random(7).shuffle(again)
    clock.advance(timedelta(minutes=5))
    assert await world.send_rows(robot_id, header, again, size=617) == 8150
    # then all of it is recognised, and nothing has changed
    assert await world.risk(robot_id) == score
    assert await rows(database, *_TABLES) == before
    assert await world.counts(robot_id) == (7409, 8150, 0)
    # and what was counted is what is in the file
    exposure = score["exposure"]
    assert exposure["samples"] == 7409
    assert exposure["incomplete_samples"] == 54
    assert round(exposure["operating_seconds"], 1) == 7510.6
    assert exposure["protective_stop"] == {"samples": 278, "episodes": 108}
    assert exposure["grip_loss"] == {"samples": 243, "episodes": 77}


async def test_a_fleets_events_replayed_mixed_up_change_nothing(
    world: World, database: Database, clock: FixedClock
) -> None:
    # given a fleet whose events are processed and scored
    robots = await world.robots(3)
    events = [
        event
        for robot_id, samples in zip(
            robots, simulate_fleet(seed=11, hours=0.1), strict=True
        )
        for event in events_of(robot_id, samples)
    ]
    assert await world.send_events(events) == len(events)
    scores = [await world.risk(robot_id) for robot_id in robots]
    before = await rows(database, *_TABLES)
    # when they come again, the robots' mixed up in small batches, some of them twice
    again = [*events, *events[::3]]
    Random(3).shuffle(again)
    clock.advance(timedelta(minutes=5))
    assert await world.send_events(again, size=83) == len(again)
    # then nothing has changed, and every repeat was counted
    assert [await world.risk(robot_id) for robot_id in robots] == scores
    assert await rows(database, *_TABLES) == before
    counts = [await world.counts(robot_id) for robot_id in robots]
    assert sum(stored for stored, _, _ in counts) == len(events)
    assert sum(repeated for _, repeated, _ in counts) == len(again)
    assert sum(failed for _, _, failed in counts) == 0


@pytest.mark.parametrize("seed", [1, 2])
async def test_robots_that_lived_the_same_score_the_same_however_it_was_told(
    world: World, seed: int
) -> None:
    # given three robots of a model, and what each of them lived through
    tidy, twice, late = await world.robots(3)
    *_, samples = simulate_fleet(seed=seed, hours=0.15)
    chance = Random(seed)
    # when one tells it in order and at once
    await world.send_events(events_of(tidy, samples))
    # and one twice, out of order and in small batches
    mixed = events_of(twice, samples) * 2
    chance.shuffle(mixed)
    await world.send_events(mixed, size=59)
    # and one last things first, and is scored in between
    backwards = events_of(late, samples)[::-1]
    cut = chance.randrange(len(backwards))
    await world.send_events(backwards[:cut])
    halfway = await world.risk(late)
    assert halfway["exposure"]["samples"] == cut
    await world.send_events(backwards[cut:])
    # then all three have the same exposure and score
    expected = told(await world.risk(tidy))
    assert expected["exposure"]["samples"] == len(samples)
    assert expected["exposure"]["protective_stop"]["episodes"] > 0
    assert told(await world.risk(twice)) == expected
    assert told(await world.risk(late)) == expected
