"""Jobs: work to be done once, later or on a schedule; Celery carries them.

A job takes ids, reads the state again and checks it again, for it may run late or
twice. A job deferred after a commit may be lost with the process, so whatever defers
one also has a periodic sweep that finds the same work in the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, Literal, Protocol

from celery import Celery, Task
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown
from kombu import Connection, Exchange, Queue
from opentelemetry.trace import SpanKind

from robosure.kernel.ids import uuid7_text
from robosure.platform.correlation import Correlation, correlated, current
from robosure.platform.database.behalf import PLATFORM, on_behalf_of
from robosure.platform.database.session import WriteSession
from robosure.platform.log_export import begin_export, end_export
from robosure.platform.logging import configure_logging
from robosure.platform.metrics import JOBS
from robosure.platform.runtime import Runtime, open_runtime, redis_password
from robosure.platform.settings import Settings
from robosure.platform.tls.trust import trust_of_redis
from robosure.platform.tracing import configure_tracing, span


class JobFunction(Protocol):
    """What a job does."""

    def __call__(self, runtime: Runtime, *ids: str) -> Awaitable[None]:
        """Do the work for these ids, or for whatever is due if there are none."""
        ...


@dataclass(frozen=True)
class Job:
    """A named piece of work.

    Attributes:
        every: how often it runs by itself; None if only on demand.
        queue: ``high`` for what someone waits for.
        share: what part of the time it may run by itself, from 0 to 1. If less than 1,
            one run at a time in the whole installation, and after one that took long
            those that follow are left out until it was that part of the time: so the
            busier it is, the rarer, and each does the work of many.
        gives_way: whether something else needs the machine more now. Then it runs by
            itself every :data:`_LONGEST_REST` at most.
    """

    name: str
    run: JobFunction
    every: timedelta | None = None
    queue: Literal["default", "high"] = "default"
    share: float = 1.0
    gives_way: Callable[[Runtime], Awaitable[bool]] | None = None

    async def perform(self, runtime: Runtime, *ids: str) -> None:
        """Run it, on the platform's behalf."""
        with on_behalf_of(PLATFORM):
            await self.run(runtime, *ids)

    async def take_turn(self, runtime: Runtime) -> None:
        """Run it by itself, or leave it out if it rests or gives way."""
        if await self._yields(runtime):
            return
        if self.share >= 1:
            await self.perform(runtime)
            return
        resting = f"robosure:resting:{self.name}"
        if not await runtime.redis.set(resting, 1, nx=True, ex=_LONGEST_TURN):
            return
        started = time.perf_counter()
        try:
            await self.perform(runtime)
        finally:
            took = time.perf_counter() - started
            rest = min(took * (1 / self.share - 1), _LONGEST_REST)
            await runtime.redis.set(resting, 1, px=max(1, round(1000 * rest)))

    async def _yields(self, runtime: Runtime) -> bool:
        if self.gives_way is None or not await self.gives_way(runtime):
            return False
        milliseconds = round(1000 * _LONGEST_REST)
        yielding = f"robosure:yielding:{self.name}"
        return not await runtime.redis.set(yielding, 1, nx=True, px=milliseconds)


Sender = Callable[[Job, tuple[str, ...]], Awaitable[None]]
_QUEUES: Final = ("high", "default")
_CORRELATION: Final = "correlation_id"
_LONGEST_TURN: Final = 10
"""Seconds after which another run may begin: this one may have died."""
_LONGEST_REST: Final = 10.0


class _Outlet:
    """Where deferred jobs go; nowhere until a process installs a sender."""

    send: Sender | None = None


def install_sender(sender: Sender | None) -> None:
    """Say where this process sends deferred jobs."""
    _Outlet.send = sender


def defer(session: WriteSession, job: Job, *ids: str) -> None:
    """Run the job once the transaction is committed.

    Without a sender (seeding, say) it waits for the periodic sweep.
    """

    async def send() -> None:
        if _Outlet.send is not None:
            await _Outlet.send(job, ids)

    session.after_commit(send)


def celery_sender(app: Celery) -> Sender:
    """Send through Celery, in a thread since its client blocks."""

    async def send(job: Job, ids: tuple[str, ...]) -> None:
        headers = {_CORRELATION: current().correlation_id}
        await asyncio.to_thread(
            app.send_task, job.name, args=ids, queue=job.queue, headers=headers
        )

    return send


def celery_app(settings: Settings, jobs: Iterable[Job] = ()) -> Celery:
    """Build the Celery application that knows these jobs.

    Acknowledged late: a worker that dies gives the job back. Scheduled runs that were
    missed for longer than their period are dropped, since the next one does the same.
    """
    broker = settings.redis_url.get_secret_value()
    app = Celery("robosure", broker=broker)
    if credentials := redis_password(settings):
        app.amqp.Connection = partial(Connection, credential_provider=credentials)  # type: ignore[assignment]  # made as that is
    app.conf.update(
        broker_use_ssl=trust_of_redis(broker, settings.ca_file) or None,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_default_queue="default",
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in _QUEUES],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 60,
            "queue_order_strategy": "priority",
            "global_keyprefix": "robosure:jobs:",
        },
        beat_scheduler="celery.beat:Scheduler",
        beat_max_loop_interval=1,
        beat_schedule={job.name: _schedule(job) for job in jobs if job.every},
    )
    return app


def _schedule(job: Job) -> dict[str, Any]:
    every = job.every or timedelta()
    options = {"queue": job.queue, "expires": max(every.total_seconds(), 1.0)}
    return {"task": job.name, "schedule": every, "options": options}


class _Process:
    """One worker process: an event loop and a runtime that live as long as it does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runner: asyncio.Runner | None = None
        self._opened: AbstractAsyncContextManager[Runtime] | None = None
        self._runtime: Runtime | None = None

    def run(self, job: Job, ids: Sequence[str], correlation_id: str | None) -> None:
        if self._runner is None:
            self._runner = asyncio.Runner()
        self._runner.run(self._run(job, ids, correlation_id))

    async def _run(self, job: Job, ids: Sequence[str], because: str | None) -> None:
        if self._runtime is None:
            self._opened = open_runtime(self._settings)
            self._runtime = await self._opened.__aenter__()
        correlation = Correlation(because or uuid7_text(), task=f"job {job.name}")
        with correlated(correlation), span(job.name, kind=SpanKind.CONSUMER):
            try:
                if ids:
                    await job.perform(self._runtime, *ids)
                else:
                    await job.take_turn(self._runtime)
            except Exception:
                JOBS.labels(job.name, "failed").inc()
                raise
            JOBS.labels(job.name, "done").inc()

    def close(self) -> None:
        if self._runner is not None:
            if self._opened is not None:
                self._runner.run(self._close())
            self._runner.close()

    async def _close(self) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(None, None, None)


def register(app: Celery, settings: Settings, jobs: Iterable[Job]) -> None:
    """Make the jobs tasks of the application, to be run by this process's workers."""
    process = _Process(settings)
    for job in jobs:
        _register(app, process, job)
    install_sender(celery_sender(app))

    def configure(**_: Any) -> None:
        configure_logging(settings)
        configure_tracing(settings, service="robosure-jobs")
        begin_export(settings, service="robosure-jobs")

    def close(**_: Any) -> None:
        process.close()
        end_export()

    setup_logging.connect(configure, weak=False)
    worker_process_init.connect(configure, weak=False)
    worker_process_shutdown.connect(close, weak=False)


def _register(app: Celery, process: _Process, job: Job) -> None:
    @app.task(name=job.name, bind=True)
    def run(task: Task[Any, Any], *ids: str) -> None:  # pyright: ignore[reportUnusedFunction]  # Celery calls it
        headers: dict[str, Any] = task.request.headers or {}
        process.run(job, ids, headers.get(_CORRELATION))
