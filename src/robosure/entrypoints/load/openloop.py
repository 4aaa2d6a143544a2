"""Drives a target with requests, and measures what it is like to be its client.

In an **open loop** the schedule is fixed by the rate alone, and a latency counts from
the moment at which the request was *due*: where the server stalls, those that queue
meanwhile show it too (no coordinated omission). In a **closed loop** each connection
sends its next request when the last is answered, and so finds the highest throughput.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from robosure.entrypoints.load.connection import Answer, Connection, Outcome, Target
from robosure.entrypoints.load.latencies import Latencies

__all__ = ["Answer", "LoadResult", "Target", "run_closed_loop", "run_open_loop"]

_HEAD_START: Final = 0.05
_LOOK_AROUND_SECONDS: Final = 0.1
_RECONNECT_SECONDS: Final = 0.2
OnAnswer = Callable[[int, Answer], None]


@dataclass
class LoadResult:
    """What came of a run.

    Attributes:
        offered: requests per second that were due; None in a closed loop.
        latency: from when a request was due to its answer, whatever the answer; in a
            closed loop from when it was sent.
        delay: from when a request was due to when it was sent: how long it waited for a
            free connection, or for this client.
        statuses: how many answers of each status.
        errors: how many requests have no answer, by reason.
        seconds: from the first request to the last answer.
        cpu_seconds: of processor time that this process used meanwhile.
    """

    offered: float | None
    latency: Latencies = field(default_factory=Latencies)
    delay: Latencies = field(default_factory=Latencies)
    statuses: Counter[int] = field(default_factory=Counter[int])
    errors: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many there were, answered or not."""
        return self.statuses.total() + self.errors.total()

    @property
    def succeeded(self) -> int:
        """How many were answered with a 2xx."""
        return sum(
            n for status, n in self.statuses.items() if Answer(status, b"").is_success
        )

    @property
    def achieved(self) -> float:
        """Answers of success per second."""
        return self.succeeded / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as plain numbers and texts."""
        return {
            "requests": self.requests,
            "succeeded": self.succeeded,
            "statuses": {str(key): n for key, n in sorted(self.statuses.items())},
            "errors": dict(self.errors),
            "seconds": round(self.seconds, 3),
            "offered_per_second": self.offered and round(self.offered, 1),
            "achieved_per_second": round(self.achieved, 1),
            "latency": self.latency.as_json(),
            "delay": self.delay.as_json(),
            "client_cpu": round(self.cpu_seconds / self.seconds, 3)
            if self.seconds
            else 0,
        }


async def run_open_loop(
    target: Target,
    bodies: Iterable[bytes],
    *,
    rate: float,
    connections: int = 64,
    timeout_seconds: float = 30.0,
    on_answer: OnAnswer | None = None,
    stop: asyncio.Event | None = None,
) -> LoadResult:
    """Send each body when it is due.

    Args:
        target: where to.
        bodies: one request each. What is a list was made ahead; what is lazy is made
            while the run goes on, at this client's expense.
        rate: requests per second.
        connections: how many requests may be under way; more wait, and that counts.
        timeout_seconds: after which a request has failed.
        on_answer: is told of each answer, with the number of its body.
        stop: ends the run early when set; what is under way is waited for.

    Raises:
        OSError: nobody answers there.
    """
    run = _Run(target, bodies, rate, timeout_seconds, on_answer)
    return await run.over(connections, stop or asyncio.Event())


async def run_closed_loop(
    target: Target,
    bodies: Iterable[bytes],
    *,
    connections: int = 16,
    timeout_seconds: float = 30.0,
    on_answer: OnAnswer | None = None,
    stop: asyncio.Event | None = None,
) -> LoadResult:
    """Send each body as soon as a connection is free; as :func:`run_open_loop` else."""
    run = _Run(target, bodies, None, timeout_seconds, on_answer)
    return await run.over(connections, stop or asyncio.Event())


class _Run:
    """One run. Requests are numbered; ``_due`` of them may be sent by now."""

    def __init__(
        self,
        target: Target,
        bodies: Iterable[bytes],
        rate: float | None,
        timeout_seconds: float,
        on_answer: OnAnswer | None,
    ) -> None:
        self._target = target
        self._bodies = enumerate(bodies)
        self._rate = rate
        self._timeout = timeout_seconds
        self._on_answer = on_answer
        self._result = LoadResult(offered=rate)
        self._free: list[Connection] = []
        self._all: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = self._answered_at = 0.0
        self._number = 0
        self._under_way = 0
        self._due: float = 0 if rate else math.inf
        self._exhausted = False
        self._over = asyncio.Event()

    async def over(self, connections: int, stop: asyncio.Event) -> LoadResult:
        """Make the run."""
        self._all = [Connection(self._answered) for _ in range(connections)]
        await asyncio.gather(*map(self._target.connect, self._all))
        self._free = list(self._all)
        cpu = time.process_time()
        self._started = self._answered_at = time.perf_counter() + _HEAD_START
        await asyncio.sleep(_HEAD_START)
        watching = [
            asyncio.create_task(work)
            for work in (self._keep_schedule(), self._look_around(), _end(self, stop))
        ]
        try:
            await self._over.wait()
        finally:
            self._over.set()
            for task in (*watching, *self._tasks):
                task.cancel()
            for connection in self._all:
                connection.abort("stopped")
        for task in watching:
            if task.done() and not task.cancelled():
                task.result()
        self._result.seconds = max(0.0, self._answered_at - self._started)
        self._result.cpu_seconds = time.process_time() - cpu
        return self._result

    def finish_early(self) -> None:
        """Send nothing more."""
        self._exhausted = True
        self._end_if_done()

    async def _keep_schedule(self) -> None:
        """Say which requests are due, and wake for the next."""
        self._dispatch()
        while self._rate is not None and not self._exhausted:
            passed = time.perf_counter() - self._started
            self._due = math.floor(passed * self._rate) + 1
            self._dispatch()
            await asyncio.sleep(
                self._due / self._rate - (time.perf_counter() - self._started)
            )

    def _dispatch(self) -> None:
        """Send what is due on what is free."""
        while self._number < self._due and self._free and not self._exhausted:
            connection = self._free.pop()
            if not connection.is_open:
                self._reopen(connection)
                continue
            if (body := self._next_body()) is None:
                self._free.append(connection)
                break
            connection.number, content = body
            now = connection.sent_at = time.perf_counter()
            if self._rate is not None:
                self._result.delay.record(now - self._due_at(connection.number))
            self._under_way += 1
            connection.send(self._target.request(content))

    def _next_body(self) -> tuple[int, bytes] | None:
        body = next(self._bodies, None)
        if body is None:
            self._exhausted = True
            self._end_if_done()
            return None
        self._number = body[0] + 1
        return body

    def _due_at(self, number: int) -> float:
        assert self._rate is not None  # nosec B101 # noqa: S101 - for the types
        return self._started + number / self._rate

    def _answered(self, connection: Connection, outcome: Outcome) -> None:
        now = time.perf_counter()
        self._under_way -= 1
        if isinstance(outcome, Answer):
            begun = (
                connection.sent_at
                if self._rate is None
                else self._due_at(connection.number)
            )
            self._answered_at = now
            self._result.latency.record(now - begun)
            self._result.statuses[outcome.status] += 1
            if self._on_answer is not None:
                self._on_answer(connection.number, outcome)
        else:
            self._result.errors[outcome.reason] += 1
        self._free.append(connection)
        self._end_if_done()
        if not self._over.is_set():
            self._dispatch()

    def _end_if_done(self) -> None:
        if self._exhausted and not self._under_way:
            self._over.set()

    def _reopen(self, connection: Connection) -> None:
        task = asyncio.create_task(self._connect_again(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect_again(self, connection: Connection) -> None:
        # Another object, as the old one may still hear of its end.
        again = Connection(self._answered)
        self._all[self._all.index(connection)] = again
        while True:
            with suppress(OSError):
                await self._target.connect(again)
            if again.is_open:
                break
            await asyncio.sleep(_RECONNECT_SECONDS)
        self._free.append(again)
        self._dispatch()

    async def _look_around(self) -> None:
        """Give up what has taken too long, sent or not."""
        alive = time.perf_counter()
        while True:
            await asyncio.sleep(_LOOK_AROUND_SECONDS)
            now = time.perf_counter()
            for connection in self._all:
                if connection.is_busy and now - connection.sent_at > self._timeout:
                    connection.abort("timeout")
            if any(connection.is_open for connection in self._all):
                alive = now
            if self._rate is not None:
                self._give_up_unsent(now)
            elif now - alive > self._timeout:
                self._result.errors["no connection"] += 1
                self.finish_early()

    def _give_up_unsent(self, now: float) -> None:
        while (
            self._number < self._due
            and not self._exhausted
            and now - self._due_at(self._number) > self._timeout
            and self._next_body() is not None
        ):
            self._result.errors["never sent"] += 1


async def _end(run: _Run, stop: asyncio.Event) -> None:
    await stop.wait()
    run.finish_early()
