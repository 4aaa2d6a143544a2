"""The demo's client, where every answer to a POST is lost once: each has one effect.

What `kill -9` does to the API at the worst moment, done to every request: the effect is
there and nobody was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import httpx
import pytest

from robosure.contexts.risk.jobs import score_stale
from robosure.entrypoints.client import api as client_api
from robosure.entrypoints.client.api import Api
from robosure.entrypoints.client.progress import Silence
from robosure.entrypoints.demo import sources
from robosure.entrypoints.demo.journey import Journey
from robosure.entrypoints.demo.simulator import simulate_fleet
from robosure.entrypoints.demo.sources import SimulatedFleet
from robosure.platform.runtime import Runtime
from tests.journey import World
from tests.support import ApiClient, Delivery, FixedClock


class Lossy(httpx.AsyncBaseTransport):
    """Loses the answer to every intent the first time; the request has arrived."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self._seen: set[tuple[str, str]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        intent = request.url.path, request.headers.get("Idempotency-Key", "")
        if request.method == "POST" and intent not in self._seen:
            self._seen.add(intent)
            raise httpx.ReadError("the answer was lost", request=request)
        return answer


@pytest.fixture
async def delivering(deliver: Delivery) -> AsyncIterator[None]:
    """What the workers do, meanwhile."""

    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            await deliver(score_stale)
            await asyncio.sleep(0.02)

    working = asyncio.create_task(work())
    yield
    stop.set()
    await working


@pytest.mark.usefixtures("delivering")
async def test_the_demo_ends_right_though_every_answer_is_lost_once(
    api: ApiClient,
    deliver: Delivery,
    runtime: Runtime,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given an installation, and a fleet that has worked for some minutes
    clock.set(datetime(2026, 1, 5, 12, tzinfo=UTC))
    world = await World.build(api, deliver, runtime)
    monkeypatch.setattr(client_api, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(sources, "simulate_fleet", partial(simulate_fleet, hours=0.3))
    fleet = SimulatedFleet()
    settings = runtime.settings
    assert settings.admin_password is not None
    # when the demo is run over a network that loses every answer once
    transport = Lossy(httpx.ASGITransport(app=api.app))
    base_url = "http://robosure.test/api/v1"
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as http:
        report = await Journey(
            Api(http),
            fleet,
            Silence(),
            settings.admin_email,
            settings.admin_password.get_secret_value(),
        ).run()
    # then all of it happened, and once
    telemetry = report["telemetry"]
    assert telemetry["stored"] == telemetry["rows"] == fleet.rows
    assert telemetry["repeated"] == telemetry["sent_twice"] > 0
    assert telemetry["failed"] == 0
    assert report["claim"]["status"] == "paid"
    assert report["ledger"] == {"transactions": 3, "sum_minor": 0}
    assert report["deliveries"] == 10
    organisations = (await world.admin.get("/organisations")).json()["items"]
    assert len(organisations) == 3 + 2
    for path, number in (("/robots", fleet.robots), ("/policies", 1), ("/claims", 1)):
        items = (await world.admin.get(path)).json()["items"]
        assert len(items) == number, path
