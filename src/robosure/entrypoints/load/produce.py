"""``robosure produce``: send telemetry as robots would, and see what became of it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import orjson
from rich.console import Console

from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.load.fleet import Counts, Fleet, Source, gathered
from robosure.entrypoints.load.interrupts import stop_on_interrupt
from robosure.entrypoints.load.telemetry import (
    CONTENT_TYPE,
    NO_FAULTS,
    Batch,
    Faults,
    Workload,
    require_joints,
)
from robosure.entrypoints.load.view import Watcher, produced, watching

_PUT_OFF: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


@dataclass(frozen=True)
class Production:
    """What to send.

    Attributes:
        count: valid events; repeats and malformed ones come on top.
        rate: of events per second; None is as fast as they are taken.
        batch: events per request.
        connections: requests at a time. A robot's events go over one of them, so that
            they stay in order.
    """

    count: int
    rate: float | None = None
    robots: int = 10
    batch: int = 100
    connections: int = 4
    joints: int = 6
    seed: int = 0
    faults: Faults = NO_FAULTS

    def __post_init__(self) -> None:
        """Check it, before anything is registered.

        Raises:
            ValueError: there are no robots of so many joints.
        """
        require_joints(self.joints)


@dataclass
class Sent:
    """What has been sent so far, and what was answered."""

    events: int = 0
    valid: int = 0
    duplicates: int = 0
    malformed: int = 0
    accepted: int = 0
    refused: int = 0
    put_off: int = 0
    seconds: float = 0.0

    def note(self, batch: Batch, receipt: dict[str, Any]) -> None:
        """Add a batch and its receipt."""
        self.events += batch.events
        self.valid += batch.valid
        self.duplicates += batch.duplicates
        self.malformed += batch.malformed
        self.accepted += receipt["accepted"]
        self.refused += receipt["refused"]

    async def see(self, response: httpx.Response) -> None:
        """Count the answers that put the sender off."""
        if response.status_code in _PUT_OFF:
            self.put_off += 1


def run_produce(production: Production, source: Source, *, as_json: bool) -> None:
    """Send events, wait until they have taken effect, and print what became of them.

    Args:
        production: what to send.
        source: where to, and as whom.
        as_json: print one JSON object on stdout and nothing else.

    Raises:
        ClientError: the server is not there, refuses, or lost what it had accepted.
    """
    console = Console()
    with watching(console, silent=as_json) as watcher:
        report = asyncio.run(_produce(production, source, watcher))
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(report) + b"\n")
    else:
        console.print(produced(report))
    if objection := _objection(report):
        raise ClientError(objection)


async def _produce(
    production: Production, source: Source, watcher: Watcher
) -> dict[str, Any]:
    sent = Sent()
    with stop_on_interrupt() as stop:
        watcher.begin("Gathering the robots", total=production.robots)
        async with gathered(
            source, production.robots, told=watcher.advance, on_response=sent.see
        ) as fleet:
            sent.put_off = 0
            watcher.finish(f"{len(fleet.robots):,} robots")
            watcher.begin("Sending", total=production.count)
            await _send_all(production, fleet, sent, watcher, stop)
            watcher.finish(
                f"{sent.accepted:,} accepted, {sent.refused:,} refused, "
                f"{_per_second(sent.events, sent.seconds):,.0f} events/s"
            )
            counts = await _effects(fleet, sent, watcher)
        return _report(production, fleet, sent, counts, stopped=stop.is_set())


async def _effects(fleet: Fleet, sent: Sent, watcher: Watcher) -> Counts | None:
    """Wait until what was accepted is accounted for; None where that is not shown."""
    if fleet.before is None:
        return None
    watcher.begin("Waiting for the effects", total=sent.accepted)
    counts = await fleet.settled(sent.accepted, told=watcher.reach)
    watcher.finish(
        f"{counts.stored:,} stored, {counts.repeated:,} repeats recognised, "
        f"{counts.failed:,} failed"
    )
    return counts


async def _send_all(
    production: Production,
    fleet: Fleet,
    sent: Sent,
    watcher: Watcher,
    stop: asyncio.Event,
) -> None:
    """Send over several connections at a time, each with robots of its own."""
    started = time.monotonic()
    name = f"/load/{uuid4().hex[:12]}"
    lanes = list(_lanes(production, fleet.robots, name))
    try:
        async with asyncio.TaskGroup() as group:
            for workload in lanes:
                share = workload.count / production.count
                rate = None if production.rate is None else production.rate * share
                lane = _Lane(fleet, workload, production.batch, rate)
                group.create_task(lane.send(sent, watcher, stop))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    sent.seconds = time.monotonic() - started


def _lanes(
    production: Production, robots: Sequence[UUID], name: str
) -> Iterator[Workload]:
    """Share robots and events out."""
    whole = Workload(
        robots, production.count, production.joints, source=name,
        faults=production.faults,
    )  # fmt: skip
    rounds, rest = divmod(production.count, len(robots))
    lanes = min(production.connections, len(robots))
    for lane in range(lanes):
        own = range(lane, len(robots), lanes)
        count = sum(rounds + (robot < rest) for robot in own)
        if count:
            yield replace(
                whole,
                robots=[robots[robot] for robot in own],
                count=count,
                seed=f"{production.seed}/{lane}",
            )


@dataclass(frozen=True)
class _Lane:
    """One request at a time."""

    fleet: Fleet
    workload: Workload
    batch: int
    rate: float | None

    async def send(self, sent: Sent, watcher: Watcher, stop: asyncio.Event) -> None:
        started = time.monotonic()
        due = 0
        for batch in self.workload.batches(self.batch):
            if self.rate is not None:
                await _until(started + due / self.rate, stop)
            if stop.is_set():
                break
            receipt = await self.fleet.device.send(
                "/events", batch.content, content_type=CONTENT_TYPE
            )
            due += batch.events
            sent.note(batch, receipt)
            watcher.advance(batch.valid)


async def _until(moment: float, stop: asyncio.Event) -> None:
    """Wait, unless it is all to stop."""
    try:
        async with asyncio.timeout(max(0.0, moment - time.monotonic())):
            await stop.wait()
    except TimeoutError:
        return


def _report(
    production: Production,
    fleet: Fleet,
    sent: Sent,
    counts: Counts | None,
    *,
    stopped: bool,
) -> dict[str, Any]:
    return {
        "robots": len(fleet.robots),
        "batch": production.batch,
        "seed": production.seed,
        "stopped": stopped,
        "sent": {
            "events": sent.events,
            "valid": sent.valid,
            "duplicates": sent.duplicates,
            "malformed": sent.malformed,
        },
        "accepted": sent.accepted,
        "refused": sent.refused,
        "put_off": sent.put_off,
        "effects": None if counts is None else asdict(counts),
        "seconds": round(sent.seconds, 3),
        "offered_per_second": production.rate,
        "events_per_second": round(_per_second(sent.events, sent.seconds), 1),
    }


def _objection(report: dict[str, Any]) -> str | None:
    """Say what is not as it should be."""
    sent, effects = report["sent"], report["effects"]
    good = sent["valid"] + sent["duplicates"]
    if report["accepted"] != good:
        return (
            f"{good:,} good events were sent, but {report['accepted']:,} accepted and "
            f"{report['refused']:,} refused"
        )
    if effects is None:
        return None
    known = effects["stored"] + effects["repeated"] + effects["failed"]
    if known < report["accepted"]:
        return (
            f"{report['accepted'] - known:,} accepted events have had no effect, and "
            "nothing moves any more: is a worker running?"
        )
    if effects["failed"]:
        return f"{effects['failed']:,} accepted events failed: see the dead letters"
    return None


def _per_second(events: int, seconds: float) -> float:
    return events / seconds if seconds else 0.0
