"""Jobs: deferred with the commit, carried by Celery, run by a worker process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from celery.beat import Service
from pydantic import SecretStr
from redis.asyncio import Redis
from sqlalchemy import func, insert, select
from structlog.testing import capture_logs

from robosure.kernel.ids import uuid7
from robosure.platform import housekeeping, jobs
from robosure.platform.database import Database
from robosure.platform.http.idempotency import idempotency_keys
from robosure.platform.jobs import (
    Job,
    celery_app,
    celery_sender,
    defer,
    install_sender,
    register,
)
from robosure.platform.runtime import Runtime
from robosure.platform.settings import Settings
from tests.integration.platform.testing.listening import until
from tests.support import Deferred


async def nothing(runtime: Runtime, *ids: str) -> None:
    """Do no work."""


a_job = Job("testing.a_job", nothing)


@pytest.fixture
def sent() -> Deferred:
    deferred = Deferred()
    install_sender(deferred.send)
    return deferred


async def test_a_job_is_sent_once_the_transaction_is_committed(
    db: Database, sent: Deferred
) -> None:
    async with db.write() as session:
        defer(session, a_job, "id-1")
        await session.flush()
        assert sent.jobs == []
    assert sent.jobs == [(a_job, ("id-1",))]


async def test_a_job_of_a_transaction_that_fails_is_not_sent(
    db: Database, sent: Deferred
) -> None:
    async def fail() -> None:
        async with db.write() as session:
            defer(session, a_job, "id-1")
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert sent.jobs == []


async def test_without_a_sender_a_job_waits_for_its_sweep(
    db: Database, sent: Deferred
) -> None:
    install_sender(None)
    async with db.write() as session:
        defer(session, a_job)
    assert sent.jobs == []


async def test_a_queue_that_is_away_does_not_cost_the_commit(
    db: Database, settings: Settings
) -> None:
    nowhere = SecretStr("redis://127.0.0.1:1/0")
    away = settings.model_copy(update={"redis_url": nowhere})
    install_sender(celery_sender(celery_app(away)))
    with capture_logs() as lines:
        async with db.write() as session:
            await session.execute(insert(idempotency_keys).values(**a_key("new")))
            defer(session, a_job)
    install_sender(None)
    assert await keys(db) == ["new"]
    assert [line["event"] for line in lines] == [
        "platform.database.after_commit_failed"
    ]


def test_jobs_are_registered_and_scheduled_on_their_queues(settings: Settings) -> None:
    # given a job on demand, and one every ten seconds that someone waits for
    often = Job("testing.often", nothing, every=timedelta(seconds=10), queue="high")
    app = celery_app(settings, [a_job, often])
    register(app, settings, [a_job, often])
    install_sender(None)
    # then
    assert {"testing.a_job", "testing.often"} <= set(app.tasks)
    assert app.conf.beat_schedule == {
        "testing.often": {
            "task": "testing.often",
            "schedule": timedelta(seconds=10),
            "options": {"queue": "high", "expires": 10.0},
        }
    }
    assert app.conf.task_acks_late
    assert Service(app).get_scheduler(lazy=True) is not None


def a_key(key: str, age: timedelta = timedelta()) -> dict[str, object]:
    return {
        "subject": uuid7(),
        "key": key,
        "fingerprint": "",
        "status": 201,
        "headers": {},
        "body": "",
        "created_at": func.now() - age,
    }


async def keys(db: Database) -> list[str]:
    async with db.read() as session:
        return list((await session.execute(select(idempotency_keys.c.key))).scalars())


@pytest.fixture
async def worker(settings: Settings, redis: Redis) -> AsyncIterator[None]:
    """A real job process on this worker's database and Redis."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "robosure.entrypoints.cli", "jobs", "--concurrency", "1",
        env={
            **os.environ,
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "REDIS_URL": settings.redis_url.get_secret_value(),
        },
        stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    yield
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_a_worker_process_runs_what_was_deferred(
    db: Database, settings: Settings, worker: None
) -> None:
    # given an idempotency key that is past its time, and one that is not
    install_sender(celery_sender(celery_app(settings)))
    async with db.write() as session:
        for key, hours in (("old", 25), ("new", 23)):
            stale = a_key(key, timedelta(hours=hours))
            await session.execute(insert(idempotency_keys).values(**stale))
        # when housekeeping is deferred
        defer(session, housekeeping.jobs[0])
    install_sender(None)
    # then another process does it
    await until(lambda: keys(db), ["new"], seconds=30)


async def test_a_job_with_a_share_of_the_time_rests_after_a_run(
    runtime: Runtime,
) -> None:
    runs = 0

    async def slow(runtime: Runtime, *ids: str) -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.05)

    job = Job("testing.slow", slow, share=0.02)

    async def taken() -> int:
        await job.take_turn(runtime)
        return runs

    assert await taken() == 1
    assert await taken() == 1
    await job.perform(runtime, "id-1")  # what someone asks for does not wait
    assert runs == 2
    assert 0 < await runtime.redis.pttl("robosure:resting:testing.slow") <= 10_000
    await until(taken, 3)


async def test_a_job_with_a_share_of_the_time_runs_once_at_a_time(
    runtime: Runtime,
) -> None:
    runs = 0

    async def alone(runtime: Runtime, *ids: str) -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.05)

    job = Job("testing.alone", alone, share=0.5)

    await asyncio.gather(*(job.take_turn(runtime) for _ in range(5)))

    assert runs == 1


async def test_a_job_gives_way_but_not_for_ever(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = 0
    busy = True

    async def count(runtime: Runtime, *ids: str) -> None:
        nonlocal runs
        runs += 1

    async def is_busy(runtime: Runtime) -> bool:
        return busy

    monkeypatch.setattr(jobs, "_LONGEST_REST", 1.0)
    job = Job("testing.yields", count, share=0.99, gives_way=is_busy)

    async def take_turns() -> int:
        for _ in range(5):
            await job.take_turn(runtime)
            await asyncio.sleep(0.01)
        return runs

    # while something else needs the machine, it runs once in a while
    assert await take_turns() == 1
    await until(take_turns, 2)
    # and then as ever
    busy = False
    assert await take_turns() > 3


async def test_a_job_that_fails_rests_as_well(runtime: Runtime) -> None:
    async def fail(runtime: Runtime, *ids: str) -> None:
        await asyncio.sleep(0.05)
        raise ZeroDivisionError

    job = Job("testing.fails", fail, share=0.1)

    with pytest.raises(ZeroDivisionError):
        await job.take_turn(runtime)
    await job.take_turn(runtime)  # rests
