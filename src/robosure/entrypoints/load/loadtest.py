"""``robosure loadtest``: an open load on the public API, and what its clients feel."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import orjson
from rich.console import Console

from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.load.effects import (
    LOOK_EVERY_SECONDS,
    Watch,
    latencies_told,
    told_between,
)
from robosure.entrypoints.load.fleet import Fleet, Source, gathered
from robosure.entrypoints.load.interrupts import stop_on_interrupt
from robosure.entrypoints.load.latencies import Latencies
from robosure.entrypoints.load.openloop import (
    Answer,
    LoadResult,
    Target,
    run_open_loop,
)
from robosure.entrypoints.load.telemetry import (
    CONTENT_TYPE,
    Workload,
    made_ahead,
    require_joints,
)
from robosure.entrypoints.load.view import Watcher, measured, watching

_AHEAD_BYTES: Final = 512 * 1024 * 1024
_SHORT_OF_CPU: Final = 0.85
_SHOW_EVERY_SECONDS: Final = 0.5


@dataclass(frozen=True)
class LoadPlan:
    """What load to offer.

    Attributes:
        events: how many, all valid and new.
        rate: of events per second.
        batch: events per request.
        connections: how many requests may be under way at a time.
        timeout_seconds: after which a request has failed.
    """

    events: int
    rate: float
    batch: int = 100
    connections: int = 64
    robots: int = 100
    joints: int = 6
    seed: int = 0
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Check it, before anything is registered.

        Raises:
            ValueError: there are no robots of so many joints.
        """
        require_joints(self.joints)

    def watched_in(self, number: int) -> int:
        """Return how many events of the first robot are in the request of a number."""

        def before(event: int) -> int:
            return -(-event // self.robots)

        end = min(self.events, (number + 1) * self.batch)
        return before(end) - before(number * self.batch)


@dataclass
class _Tally:
    """What the answers say about events."""

    accepted: int = 0
    refused: int = 0


def run_loadtest(plan: LoadPlan, source: Source, *, json_file: Path | None) -> None:
    """Offer the load and print what it was like.

    Args:
        plan: what load.
        source: where to, and as whom.
        json_file: also write the figures there; ``-`` is stdout, and nothing else.

    Raises:
        ClientError: the server is not there, or accepted nothing.
    """
    to_stdout = json_file == Path("-")
    console = Console()
    with watching(console, silent=to_stdout) as watcher:
        report, latency = asyncio.run(_Test(plan, source, watcher).run())
    written = orjson.dumps(report, option=orjson.OPT_APPEND_NEWLINE)
    if to_stdout:
        sys.stdout.buffer.write(written)
    elif json_file is not None:
        json_file.write_bytes(written)
    if not to_stdout:
        console.print(measured(report, latency))
    if not report["events"]["accepted"]:
        http = report["http"]
        raise ClientError(f"nothing was accepted: {http['statuses'] | http['errors']}")


@dataclass
class _Test:
    plan: LoadPlan
    source: Source
    watcher: Watcher

    async def run(self) -> tuple[dict[str, Any], Latencies]:
        plan, server = self.plan, self.source.server
        with stop_on_interrupt() as stop:
            self.watcher.begin("Gathering the robots", total=plan.robots)
            async with gathered(
                self.source, plan.robots, told=self.watcher.advance
            ) as fleet:
                self.watcher.finish(f"{len(fleet.robots):,} robots")
                self.plan = plan = _for(fleet, plan)
                before = await latencies_told(server.url)
                watch = Watch(fleet, fleet.robots[0]) if fleet.before else None
                tally = _Tally()
                result = await self._offer(fleet, tally, watch, stop)
                drained = await self._drain(fleet, tally, watch)
            after = await latencies_told(server.url)
        effects = {
            "seen": watch.latencies.as_json() if watch else None,
            "told": told_between(before, after),
            "drained_seconds": drained,
        }
        report = _report(plan, result, tally, effects, stopped=stop.is_set())
        return report, result.latency

    async def _offer(
        self, fleet: Fleet, tally: _Tally, watch: Watch | None, stop: asyncio.Event
    ) -> LoadResult:
        """Send all, and look at the effects meanwhile."""
        plan = self.plan
        self.watcher.begin("Writing the events")
        target = Target(
            f"{self.source.server.base_url}/events",
            {"Content-Type": CONTENT_TYPE, "X-API-Key": fleet.api_key},
        )
        name = f"/load/{uuid4().hex[:12]}"
        workload = Workload(
            fleet.robots, plan.events, plan.joints, seed=plan.seed, source=name
        )
        bodies = made_ahead(workload.bodies(plan.batch), limit_bytes=_AHEAD_BYTES)
        self.watcher.finish(f"{plan.events:,} events in batches of {plan.batch:,}")
        self.watcher.begin("Offering the load", total=plan.events)
        looking = [asyncio.create_task(self._show(tally))]
        if watch is not None:
            looking.append(asyncio.create_task(watch.look()))
        try:
            result = await run_open_loop(
                target,
                bodies,
                rate=plan.rate / plan.batch,
                connections=plan.connections,
                timeout_seconds=plan.timeout_seconds,
                on_answer=_reader(plan, tally, watch),
                stop=stop,
            )
        finally:
            await _ended(looking)
        self.watcher.finish(
            f"{result.achieved:,.0f} requests/s, {tally.accepted:,} events accepted"
        )
        return result

    async def _show(self, tally: _Tally) -> None:
        while True:
            self.watcher.reach(tally.accepted)
            await asyncio.sleep(_SHOW_EVERY_SECONDS)

    async def _drain(
        self, fleet: Fleet, tally: _Tally, watch: Watch | None
    ) -> float | None:
        """Wait until all that was accepted has taken effect; return for how long."""
        if watch is None:
            return None
        started = time.monotonic()
        self.watcher.begin("Waiting for the effects", total=tally.accepted)
        looking = [asyncio.create_task(watch.look())]
        try:
            counts = await fleet.settled(tally.accepted, told=self.watcher.reach)
        finally:
            await _ended(looking)
        await watch.look_once()  # for the last, which were counted meanwhile
        if counts.total < tally.accepted:
            self.watcher.finish(f"{tally.accepted - counts.total:,} had none")
            return None
        self.watcher.finish(f"{counts.stored:,} stored, {counts.failed:,} failed")
        return round(time.monotonic() - started, 3)


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel, and see to it that what had failed before is known."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


def _for(fleet: Fleet, plan: LoadPlan) -> LoadPlan:
    """Fit the plan to the robots that an API key turned out to have."""
    return replace(plan, robots=len(fleet.robots))


def _reader(
    plan: LoadPlan, tally: _Tally, watch: Watch | None
) -> Callable[[int, Answer], None]:
    def read(number: int, answer: Answer) -> None:
        if not answer.is_success:
            return
        try:
            receipt = orjson.loads(answer.body)
            accepted, refused = int(receipt["accepted"]), int(receipt["refused"])
        except (orjson.JSONDecodeError, LookupError, TypeError, ValueError):
            return
        tally.accepted += accepted
        tally.refused += refused
        if watch is not None and not refused:
            watch.accepted(plan.watched_in(number))

    return read


def _report(
    plan: LoadPlan,
    result: LoadResult,
    tally: _Tally,
    effects: dict[str, Any],
    *,
    stopped: bool,
) -> dict[str, Any]:
    http = result.as_json()
    per_second = tally.accepted / result.seconds if result.seconds else 0.0
    return {
        "stopped": stopped,
        "plan": {
            "events": plan.events,
            "events_per_second": plan.rate,
            "batch": plan.batch,
            "connections": plan.connections,
            "robots": plan.robots,
            "joints": plan.joints,
            "seed": plan.seed,
        },
        "http": http,
        "events": {
            "offered": min(plan.events, result.requests * plan.batch),
            "accepted": tally.accepted,
            "refused": tally.refused,
            "offered_per_second": plan.rate,
            "accepted_per_second": round(per_second, 1),
        },
        "effects": {
            **effects,
            "how": (
                "seen: one robot's k-th event counts from its 202 to when "
                f"/event-counts says k, looked at every {LOOK_EVERY_SECONDS * 1000:g} "
                "ms; told: what event_latency_seconds of /metrics grew by"
            ),
        },
        "notes": _notes(result, tally, effects, stopped=stopped),
    }


def _notes(
    result: LoadResult, tally: _Tally, effects: dict[str, Any], *, stopped: bool
) -> list[str]:
    """Say what the figures do not."""
    notes: list[str] = []
    if result.seconds and result.cpu_seconds / result.seconds > _SHORT_OF_CPU:
        notes.append("this client was short of processor; the latencies are its own")
    if tally.refused:
        notes.append(f"{tally.refused:,} events were refused, though all are valid")
    if result.errors.total():
        notes.append(
            f"{result.errors.total():,} requests have no answer; if their events were "
            "accepted, effects were seen too early"
        )
    if effects["seen"] is None:
        notes.append("effects are not seen: the API key lacks events:read")
    elif effects["drained_seconds"] is None:
        notes.append("not everything accepted took effect; is a worker running?")
    if not effects["told"]:
        notes.append("the workers tell no event_latency_seconds")
    if stopped:
        notes.append("stopped early, by hand")
    return notes


def events_for(events: int | None, rate: float, duration: float | None) -> int:
    """Return how many events to send, said as a number or as seconds of the rate.

    Raises:
        ValueError: neither or both is said.
    """
    if (events is None) == (duration is None):
        raise ValueError("say either --events or --duration")
    return events if events is not None else math.ceil(rate * (duration or 0.0))
