"""The migration of samples into chunks: nothing is lost, and the way back is there."""

from __future__ import annotations

import asyncio
import os
import runpy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from robosure.contexts.risk.domain import (
    CURRENT_MODEL,
    Exposure,
    Sample,
    Score,
    ScoreInputs,
)
from robosure.contexts.risk.service import RiskService
from robosure.contexts.risk.tables import chunks, models, robots, scores, windows
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.database.migrations import downgrade, upgrade
from robosure.platform.database.session import throwaway_engine
from tests.unit.contexts.risk.factories import UR3, a_sample, at

_MOVE = Path(__file__).parents[4] / "migrations" / "versions" / "0014_risk_chunks.py"
_ROBOT = uuid7()
_STRANGER = uuid7()
_ADD = text(
    "INSERT INTO risk.samples (robot_id, at, key, protective_stop, grip_lost, complete,"
    " joint_currents, joint_temperatures) VALUES (:robot_id, :at, CAST(:key AS uuid),"
    " :protective_stop, :grip_lost, :complete, CAST(:joint_currents AS integer[]),"
    " CAST(:joint_temperatures AS integer[]))"
)
_SAMPLES = [
    a_sample(0, protective_stop=True, grip_lost=None, complete=False),
    a_sample(0.000001, joint_currents=[None, 1_000_000_000], joint_temperatures=[]),
    a_sample(599.999999, joint_currents=[], joint_temperatures=[-4000, None]),
    a_sample(600, key=2**128 - 1),
    a_sample(24 * 3600),
]


@pytest.fixture
async def before(worker_number: int) -> AsyncIterator[Database]:
    """A database before the move, with samples of a robot that is scored by them."""
    base = make_url(os.environ["ROBOSURE_TEST_DATABASE_URL"])
    name = f"moved_{worker_number}"
    engine = throwaway_engine(base.render_as_string(hide_password=False))
    async with engine.connect() as connection:
        admin = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        await admin.execute(text(f"CREATE DATABASE {name}"))
        url = base.set(database=name).render_as_string(hide_password=False)
        await asyncio.to_thread(upgrade, url, "0013")
        database = Database(url)
        await _fill(database)
        yield database
        await database.close()
        await admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


async def _fill(database: Database) -> None:
    async with database.write() as session:
        for robot_id in (_ROBOT, _STRANGER):
            rows = [_row(sample) | {"robot_id": robot_id} for sample in _SAMPLES]
            await session.execute(_ADD, rows)
        model = uuid7()
        await session.execute(models.insert().values(id=model, limits=UR3))
        score = Score.of(
            _ROBOT, ScoreInputs(Exposure.of(_SAMPLES), UR3), at=at(24 * 3600)
        )
        score.collect_events()
        session.add(score)
        await session.execute(
            robots.insert().values(id=_ROBOT, model_id=model, score_id=score.id)
        )


def _row(sample: Sample) -> dict[str, Any]:
    moment, _, *rest = sample
    del moment
    names = Sample._fields[2:]
    return {"at": sample.at, "key": UUID(sample.key)} | dict(
        zip(names, rest, strict=True)
    )


async def _migrate(database: Database, to: str) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    await asyncio.to_thread(downgrade if to == "0013" else upgrade, url, to)


async def test_samples_that_were_moved_give_the_score_that_stands(
    before: Database,
) -> None:
    # when the samples are moved, and the robot is scored
    await _migrate(before, "0014")
    async with before.write() as session:
        behind = await RiskService.on(session).score([_ROBOT], at=at(0))
    # then its score holds, and so there is no other
    assert behind == []
    async with before.read() as session:
        (score,) = (await session.execute(select(scores))).all()
        assert score.samples == 5
        assert score.model_version == CURRENT_MODEL.version
        found = (await session.execute(select(windows))).all()
        assert [each.exposure.samples for each in found] == [3, 1, 1]
        # and the samples of who is not registered wait
        waiting = select(chunks.c.samples).where(chunks.c.robot_id == _STRANGER)
        assert sorted((await session.execute(waiting)).scalars()) == [1, 1, 3]


async def test_a_sample_that_comes_after_the_move_is_added_to_what_there_was(
    before: Database,
) -> None:
    await _migrate(before, "0014")
    async with before.write() as session:
        service = RiskService.on(session)
        await service.take({_ROBOT: [a_sample(7)]}, at=at(24 * 3600))
        await service.score([_ROBOT], at=at(24 * 3600))

    async with before.read() as session:
        latest = select(scores).order_by(scores.c.id.desc()).limit(1)
        score = (await session.execute(latest)).one()
    assert score.inputs.exposure == Exposure.of([*_SAMPLES, a_sample(7)])


async def test_what_is_added_during_the_move_is_moved_and_an_interrupted_move_resumed(
    before: Database,
) -> None:
    # given a move that was interrupted while it copied, and a sample added meanwhile
    move = runpy.run_path(str(_MOVE))
    async with before.write() as session:
        connection = await session.connection()
        await connection.run_sync(chunks.create)
        await session.execute(text(move["_COPY_ADDED"].replace(":", "\\:")))
        await session.execute(text(move["_COPY_FROM_NOW_ON"]))
    added = a_sample(
        7, joint_currents=[None, 5], joint_temperatures=[], protective_stop=None
    )
    async with before.write() as session:
        await session.execute(_ADD, [_row(added) | {"robot_id": _ROBOT}])
    async with before.read() as session:
        chunk = (await session.execute(select(chunks))).one()
    assert chunk.robot_id == _ROBOT
    assert (chunk.window_start, chunk.first_at, chunk.samples) == (at(0), at(7), 1)
    assert [Sample(*each) for each in orjson.loads(chunk.content)] == [added]
    # when it is done again
    await _migrate(before, "0014")
    # then everything is there once
    async with before.read() as session:
        moved = select(chunks.c.samples).where(chunks.c.robot_id == _ROBOT)
        assert sorted((await session.execute(moved)).scalars()) == [1, 1, 4]


async def test_the_way_back_gives_the_same_samples(before: Database) -> None:
    # given samples, some of which were summed up after the move
    kept = text("SELECT * FROM risk.samples ORDER BY robot_id, at, key")
    async with before.read() as session:
        samples = (await session.execute(kept)).all()
    await _migrate(before, "0014")
    async with before.write() as session:
        await RiskService.on(session).score([_ROBOT], at=at(0))
    # when
    await _migrate(before, "0013")
    # then
    async with before.read() as session:
        assert (await session.execute(kept)).all() == samples
        stale = text(
            "SELECT starts_at, stale_from FROM risk.windows WHERE robot_id = :id "
            "ORDER BY starts_at"
        )
        found = (await session.execute(stale, {"id": _ROBOT})).all()
        assert found == [(at(s), at(s)) for s in (0, 600, 24 * 3600)]
