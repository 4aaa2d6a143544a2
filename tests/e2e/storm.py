"""A storm of hostile events on a stack of its own, and its weather report."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final
from uuid import UUID

import httpx
import orjson
import typer
from rich.console import Console

from tests.e2e.chaos.client import client_of
from tests.e2e.chaos.customer import Customer
from tests.e2e.chaos.effects import stored_ids
from tests.e2e.chaos.ledger import Ledger
from tests.e2e.chaos.stage import Stage, a_stage
from tests.hostile import Fate, Hostility, Request

_SENDERS: Final = 8
_SAMPLE_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 60.0
_EVENTS_PER_SECOND: Final = 500.0
"""So slow may processing be at worst."""
_ANSWER_BYTES: Final = 1_000_000
_CHUNK: Final = 65_536
_PROCESSES: Final = ("api", "worker")
_GROWTH: Final = 1.25
_GROWTH_BYTES: Final = 64 * 1024 * 1024


@dataclass
class Weather:
    """What was sent, and what came of it.

    Attributes:
        held_back: requests that were told to come again later, and did.
        early_bytes: highest memory of each process up to a tenth of the events.
        peak_bytes: highest memory of each process up to the end.
        wrong: whatever must not be, in words, and how often.
    """

    requests: int = 0
    events: int = 0
    accepted: int = 0
    refused: int = 0
    stored: int = 0
    repeated: int = 0
    failed: int = 0
    good: int = 0
    server_errors: int = 0
    held_back: int = 0
    seconds: float = 0.0
    answers: Counter[int] = field(default_factory=Counter)
    early_bytes: dict[str, int] = field(default_factory=dict[str, int])
    peak_bytes: dict[str, int] = field(default_factory=dict[str, int])
    wrong: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Return all of it, as a document."""
        answers = {str(status): n for status, n in sorted(self.answers.items())}
        return {**asdict(self), "answers": answers, "wrong": dict(self.wrong)}


async def weather_of(
    events: int, seed: int, *, keep_logs: Path | None = None
) -> Weather:
    """Start a stack, send it so many events, and look at what became of them."""
    weather = Weather()
    async with (
        a_stage(keep_logs=keep_logs) as stage,
        client_of(stage.running.api_url) as http,
    ):
        running = stage.running
        credentials = {
            "email": running.admin_email,
            "password": running.admin_password,
        }
        chance = Random(seed)
        customer = await Customer.open(http, credentials, chance)
        other = await Customer.open(http, credentials, chance)
        hostility = Hostility(
            seed,
            own=await _fleet(customer, "own", 8),
            edge=await _fleet(customer, "edge", 2),
            foreign=await _fleet(other, "foreign", 2),
        )
        await _until_known(customer, hostility)
        storm = _Storm(stage, http, customer, hostility, weather)
        before = {name: stage.pid_of(name) for name in _PROCESSES}
        await storm.blow(events)
        for name, pid in before.items():
            if stage.pid_of(name) != pid:
                weather.wrong[f"{name} died"] += 1
    return weather


async def _fleet(customer: Customer, name: str, size: int) -> list[UUID]:
    books = Ledger()
    tag = f"{customer.chance.getrandbits(32):08x}"
    return [await customer.register(f"{name}-{tag}-{n}", books) for n in range(size)]


async def _until_known(customer: Customer, hostility: Hostility) -> None:
    """Wait until the sender may speak for its robots."""
    event = hostility.event(hostility.edge[-1])
    # Refused as long as its robot is not known.
    headers = {"Content-Type": "application/cloudevents+json"}
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            answer = await customer.device.try_once(
                "POST",
                "/events",
                Ledger(),
                content=orjson.dumps(event),
                headers=headers,
            )
            if answer is not None and answer.json()["accepted"]:
                return
            await asyncio.sleep(_SAMPLE_SECONDS)


@dataclass
class _Storm:
    stage: Stage
    http: httpx.AsyncClient
    customer: Customer
    hostility: Hostility
    weather: Weather

    async def blow(self, events: int) -> None:
        """Send, wait until all is processed, and compare."""
        started = time.monotonic()
        requests = self.hostility.requests(events)
        early = events / 10
        watching = asyncio.create_task(self._watch(early))
        try:
            async with asyncio.TaskGroup() as senders:
                for _ in range(_SENDERS):
                    senders.create_task(self._send_all(requests))
            await self._compare()
        finally:
            watching.cancel()
        self.weather.seconds = round(time.monotonic() - started, 1)

    async def _watch(self, early: float) -> None:
        """Remember the highest memory, and what it was after a tenth."""
        weather = self.weather
        while True:
            for name in _PROCESSES:
                peak = max(weather.peak_bytes.get(name, 0), self.stage.memory_of(name))
                weather.peak_bytes[name] = peak
                if weather.events <= early:
                    weather.early_bytes[name] = peak
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def _send_all(self, requests: Iterator[Request]) -> None:
        for request in requests:
            await self._send(request)

    async def _send(self, request: Request) -> None:
        weather = self.weather
        while True:
            answer = await self._post(request)
            weather.answers[answer.status_code] += 1
            if not _says_later(answer):
                break
            weather.held_back += 1
            await asyncio.sleep(float(answer.headers["Retry-After"]))
        weather.requests += 1
        weather.events += request.size
        weather.good += request.count(Fate.GOOD)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            weather.server_errors += 1
        self._judge(request, answer)

    async def _post(self, request: Request) -> httpx.Response:
        headers = {**self.customer.device.headers}
        if request.content_type is not None:
            headers["Content-Type"] = request.content_type
        body = _chunks_of(request.body) if request.chunked else request.body
        return await self.http.post("/events", content=body, headers=headers)

    def _judge(self, request: Request, answer: httpx.Response) -> None:
        weather = self.weather
        status = answer.status_code
        if status not in request.statuses:
            shown = request.body[:200]
            weather.wrong[f"{status} to {request.content_type} {shown!r}"] += 1
        if len(answer.content) > _ANSWER_BYTES:
            weather.wrong[f"an answer of over {_ANSWER_BYTES:,} bytes"] += 1
        if status != HTTPStatus.ACCEPTED:
            return
        receipt = answer.json()
        accepted, refused = receipt["accepted"], receipt["refused"]
        weather.accepted += accepted
        weather.refused += refused
        least = request.count(Fate.GOOD, Fate.REPEAT)
        most = least + request.count(Fate.UNSURE)
        if request.items and not least <= accepted <= most:
            weather.wrong[f"{accepted} accepted, not {least} to {most}"] += 1
        if request.items and accepted + refused != len(request.items):
            weather.wrong["not every event was answered for"] += 1

    async def _compare(self) -> None:
        """Wait until what was accepted is processed, and compare it with the plan."""
        robots = [
            *self.hostility.own,
            *self.hostility.edge,
            *self.hostility.foreign,
        ]
        weather = self.weather
        # One was sent to find out whether the robots are known.
        expected = weather.accepted + 1
        patience = _PATIENCE_SECONDS + expected / _EVENTS_PER_SECOND
        deadline = time.monotonic() + patience
        while True:
            counts = {robot: await self._counts(robot) for robot in robots}
            total = sum(sum(each.values()) for each in counts.values())
            if total >= expected or time.monotonic() > deadline:
                break
            await asyncio.sleep(_SAMPLE_SECONDS)
        weather.stored = sum(each["stored"] for each in counts.values())
        weather.repeated = sum(each["repeated"] for each in counts.values())
        weather.failed = sum(each["failed"] for each in counts.values())
        if total != expected:
            weather.wrong[f"{total} processed, not {expected}"] += 1
        await self._compare_good(counts)

    async def _compare_good(self, counts: Mapping[UUID, Mapping[str, int]]) -> None:
        weather = self.weather
        good = self.hostility.good
        stored = await stored_ids(self.stage.database_url, list(good))
        for robot, ids in good.items():
            found = stored[robot]
            weather.wrong["good events missing"] += len(ids - found.keys())
            weather.wrong["events nobody sent"] += len(found.keys() - ids)
            weather.wrong["good events stored twice"] += found.total() - len(found)
            weather.wrong["good events failed"] += counts[robot]["failed"]
            weather.wrong["counted wrong"] += abs(counts[robot]["stored"] - len(ids))
        for robot in self.hostility.foreign:
            weather.wrong["events of foreign robots"] += sum(counts[robot].values())
        weather.wrong += Counter()  # leaves out what did not happen

    async def _counts(self, robot: UUID) -> dict[str, int]:
        answer = await self.customer.admin.insist(
            "GET", f"/event-counts?subject={robot}", Ledger()
        )
        counts = answer.json()
        return {name: counts[name] for name in ("stored", "repeated", "failed")}


def _says_later(answer: httpx.Response) -> bool:
    """Whether it is backpressure, which is no error."""
    later = answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    return later and "Retry-After" in answer.headers


async def _chunks_of(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _CHUNK):
        yield body[start : start + _CHUNK]


def grown(weather: Weather) -> list[str]:
    """Return which processes need much more memory than after a tenth of the events."""
    return [
        f"{name}: {weather.early_bytes[name]:,} bytes, then {peak:,}"
        for name, peak in weather.peak_bytes.items()
        if peak > weather.early_bytes[name] * _GROWTH + _GROWTH_BYTES
    ]


def events_asked_for(default: int) -> int:
    """Return how many ROBOSURE_HOSTILE_EVENTS says, or else the default."""
    return int(os.environ.get("ROBOSURE_HOSTILE_EVENTS", default))


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def storm(
    *,
    events: Annotated[int, typer.Option(min=1, help="How many to send.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Other events for another one.")] = 1,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Where to write the report.", dir_okay=False),
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(help="Where to keep the processes' logs.", file_okay=False),
    ] = None,
) -> None:
    """Send hostile events through a real API, and report what became of them."""
    weather = asyncio.run(weather_of(events, seed, keep_logs=logs))
    larger = grown(weather)
    if json_file is not None:
        json_file.write_bytes(
            orjson.dumps(weather.as_json(), option=orjson.OPT_INDENT_2)
        )
    _show(weather, larger)
    raise typer.Exit(1 if weather.wrong or weather.server_errors or larger else 0)


def _show(weather: Weather, larger: Sequence[str]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{weather.events:,} events in {weather.requests:,} requests, "
        f"{weather.seconds:,.1f} s: {weather.accepted:,} accepted, "
        f"{weather.refused:,} refused; {weather.stored:,} stored, "
        f"{weather.repeated:,} repeated, {weather.failed:,} failed; "
        f"{weather.good:,} good; {weather.server_errors} server errors, "
        f"{weather.held_back} held back"
    )
    for name, peak in weather.peak_bytes.items():
        early = weather.early_bytes[name]
        console.print(
            f"{name}: {early / 2**20:,.0f} MiB at most in the first tenth, "
            f"{peak / 2**20:,.0f} MiB in all"
        )
    for what, times in weather.wrong.items():
        console.print(f"wrong: {times} x {what}", markup=False)
    for each in larger:
        console.print(f"grown: {each}")
