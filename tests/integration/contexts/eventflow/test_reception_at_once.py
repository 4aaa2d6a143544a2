"""Events that are taken in at once: as they would be in the ordinary way, or in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from robosure.contexts.eventflow.service.reception import ReceptionService
from robosure.contexts.eventflow.tables import batches, events
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.runtime import Runtime
from robosure.platform.streams.bus import BusAwayError
from tests.integration.contexts.eventflow.conftest import (
    ROBOT,
    an_event,
    cloud_event,
    rows,
)
from tests.integration.contexts.eventflow.test_reception import (
    BATCH,
    LINES,
    ONE,
    a_robot_of,
    refused,
    send,
    waiting,
)
from tests.support import ApiClient, Delivery, code_of
from tests.wire import listening


@dataclass
class Device:
    """A client with an API key, over a real connection.

    Attributes:
        ordinary: how many requests took the ordinary way.
    """

    client: httpx.AsyncClient
    ordinary: int = 0

    async def send(
        self, content: Any, kind: str = BATCH, **headers: str
    ) -> tuple[httpx.Response, str]:
        """Return the answer, and which way it came."""
        before = self.ordinary
        answer = await send(self.client, content, kind, **headers)
        return answer, "at once" if self.ordinary == before else "ordinary"

    async def is_at_once(self, content: Any, kind: str = BATCH) -> bool:
        """Whether events are accepted, and at once."""
        answer, way = await self.send(content, kind)
        assert refused(answer) == {}
        return way == "at once"


Connect = Callable[..., Awaitable[Device]]


@pytest.fixture
async def connect(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Connect]:
    """Make a key, and connect with it."""
    devices: list[Device] = []
    receive = ReceptionService.receive

    async def counted(*given: Any, **named: Any) -> Any:
        for device in devices:
            device.ordinary += 1
        return await receive(*given, **named)

    monkeypatch.setattr(ReceptionService, "receive", counted)
    async with listening(api.app) as port:

        async def connected(
            organisation: str, *, by: httpx.AsyncClient | None = None, **key: Any
        ) -> Device:
            asked = {"name": "a key", "scopes": ["events:write"], **key}
            issued = await (by or api.as_("admin")).post(
                "/api-keys", json={**asked, "organisation_id": organisation}
            )
            assert issued.status_code == 201, issued.text
            client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}/api/v1",
                headers={"X-API-Key": issued.json()["key"]},
            )
            devices.append(Device(client))
            return devices[-1]

        yield connected
        for device in devices:
            await device.client.aclose()


@pytest.fixture
async def operator(api: ApiClient, database: Database, deliver: Delivery) -> str:
    """Who operates the robot."""
    asked = {"kind": "operator", "name": "Fjord Assembly", "country": "NO"}
    registered = await api.as_("admin").post(
        "/organisations", json={**asked, "email": "office@example.com"}
    )
    organisation = str(registered.json()["id"])
    await a_robot_of(database, UUID(organisation), uuid7())
    await deliver()
    return organisation


@asynccontextmanager
async def overloaded(
    api: ApiClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    settings = runtime.settings.model_copy(update={"event_backlog_limit": 1})
    with monkeypatch.context() as patch:
        patch.setattr(api.edge.pressure, "_settings", settings)
        await api.edge.pressure.measure()
        yield
    await api.edge.pressure.measure()


async def test_once_a_sender_and_its_robots_are_known_events_are_taken_at_once(
    connect: Connect, operator: str, database: Database, deliver: Delivery
) -> None:
    device = await connect(operator)
    # when the same is sent in the ordinary way and, the sender known, at once
    answers: list[httpx.Response] = []
    for number, expected in enumerate(["ordinary", "at once"]):
        content = [an_event(2 * number), an_event(2 * number + 1)]
        answer, way = await device.send(content, **{"X-Request-ID": f"mine-{number}"})
        assert (refused(answer), way) == ({}, expected)
        answers.append(answer)
    await deliver()
    # then both are answered alike
    first, second = answers
    assert first.json() | {"batch_id": ""} == second.json() | {"batch_id": ""}
    assert set(first.headers) == set(second.headers)
    # and kept alike
    stored = await rows(database, events)
    assert [event.id for event in sorted(stored, key=lambda event: event.time)] == [
        f"event-{number:05}" for number in range(4)
    ]
    kept = {str(batch.batch_id): batch for batch in await rows(database, batches)}
    of = [kept[answer.json()["batch_id"]] for answer in answers]
    assert [batch.correlation_id for batch in of] == ["mine-0", "mine-1"]
    assert [batch.events for batch in of] == [2, 2]
    assert of[0].principal == of[1].principal is not None


@pytest.mark.parametrize("kind", [ONE, BATCH, LINES])
async def test_events_are_taken_at_once_in_each_form(
    connect: Connect, operator: str, database: Database, deliver: Delivery, kind: str
) -> None:
    device = await connect(operator)
    event = an_event(1)
    content = {
        ONE: json.dumps(event),
        BATCH: json.dumps([event]),
        LINES: json.dumps(event) + "\n",
    }[kind]
    assert not await device.is_at_once(content, kind)
    for typed in (kind, f"{kind}; charset=utf-8"):
        assert await device.is_at_once(content, typed)
    await deliver()
    assert len(await rows(database, events)) == 1


async def test_what_is_not_plain_known_and_theirs_takes_the_ordinary_way(
    connect: Connect, operator: str, deliver: Delivery, database: Database
) -> None:
    # given an operator of whom two robots are known, and one is known here
    device, other = await connect(operator), uuid7()
    await a_robot_of(database, UUID(operator), uuid7(), robot=other)
    await deliver()
    assert not await device.is_at_once([an_event(0)])
    # then what is out of the ordinary is judged as ever
    for content, reasons in [
        ([], {}),
        ([an_event(1, subject=other)], {}),
        ([an_event(2, subject=uuid7())], {0: "robot_not_known"}),
        ([an_event(3), cloud_event(4, type="robot.gossip.v1")],
         {1: "unknown_event_type"}),
        ([an_event(5), cloud_event(6, source=f"/robots/{other}")],
         {1: "source_of_another_robot"}),
        ([cloud_event(7, traceparent="00-1-2-01")], {}),
    ]:  # fmt: skip
        answer, way = await device.send(content)
        assert (refused(answer), way) == (reasons, "ordinary")
    # and what a request says of itself
    for given, status in [
        (([an_event(8)] * 1_001, BATCH), 413),
        ((b"[{", BATCH), 400),
        ((b"", LINES), 400),
    ]:
        answer, way = await device.send(*given)
        assert (answer.status_code, way) == (status, "ordinary")
    assert (await device.send([an_event(8)], "application/json"))[0].status_code == 415
    # and all that is plain, known and theirs is taken at once, as before
    assert await device.is_at_once([an_event(9), an_event(10, subject=other)])


async def test_a_key_bound_to_a_robot_is_answered_at_once_for_that_one(
    connect: Connect, operator: str
) -> None:
    device = await connect(operator, robot_id=str(ROBOT))
    assert not await device.is_at_once([an_event(0)])
    assert await device.is_at_once([an_event(1)])
    answer, way = await device.send([an_event(2, subject=uuid7())])
    assert (refused(answer), way) == ({0: "bound_to_another_robot"}, "ordinary")


async def test_an_insurers_key_is_answered_at_once_for_every_robot(
    connect: Connect, api: ApiClient
) -> None:
    asked = {"kind": "insurer", "name": "Polar Mutual", "country": "NO"}
    insurer = await api.as_("admin").post(
        "/organisations", json={**asked, "email": "office@example.com"}
    )
    organisation = insurer.json()["id"]
    own = api.as_("admin", organisation=UUID(organisation))
    device = await connect(organisation, by=own)
    assert not await device.is_at_once([an_event(0)])
    assert await device.is_at_once([an_event(0, subject=uuid7())])


async def test_nothing_is_taken_at_once_while_too_much_waits(
    connect: Connect,
    operator: str,
    api: ApiClient,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = await connect(operator)
    assert not await device.is_at_once([an_event(0)])
    async with overloaded(api, runtime, monkeypatch):
        answer, way = await device.send([an_event(1)])
        assert (answer.status_code, way) == (503, "ordinary")
        assert (code_of(answer), answer.headers["Retry-After"]) == ("overloaded", "5")
    assert await waiting(runtime) == 1
    assert await device.is_at_once([an_event(1)])


async def test_what_the_stream_does_not_take_is_not_accepted(
    connect: Connect,
    operator: str,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a sender that is known, and a bus that goes away under its request
    device = await connect(operator)
    assert not await device.is_at_once([an_event(0)])

    def away(*_: object) -> asyncio.Future[None]:
        once: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        once.set_exception(BusAwayError("away"))
        return once

    with monkeypatch.context() as patch:
        patch.setattr(type(runtime.bus), "append", away)
        # then it is told so, and that it may come again
        answer, way = await device.send([an_event(1)])
        assert (answer.status_code, way) == (503, "at once")
        assert code_of(answer) == "ingest_unavailable"
        assert answer.headers["Retry-After"] == "5"
    assert await waiting(runtime) == 1
    assert await device.is_at_once([an_event(1)])
