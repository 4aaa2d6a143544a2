"""`robosure produce`, `loadtest` and `monitor` against a real API on a real port."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import pytest
import uvicorn

from robosure.entrypoints.client.api import until
from robosure.platform.runtime import Runtime
from tests.journey import World, answered
from tests.support import ApiClient, Delivery

Json = dict[str, Any]

_PAUSE_SECONDS: Final = 0.1
_SHUTDOWN_SECONDS: Final = 5


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: bytes
    err: str

    @property
    def report(self) -> Json:
        assert self.status == 0, self.err
        assert self.err == ""
        assert self.out.count(b"\n") == 1
        found: Json = orjson.loads(self.out)
        return found


@dataclass(frozen=True)
class Installation:
    """An installation that is served and worked for."""

    world: World
    url: str
    password: str
    home: Path

    async def run(self, name: str, *arguments: str, as_: str | None = "admin") -> Ran:
        """Run a command on it, as its administrator or with an API key."""
        return await self.ended(await self.started(name, *arguments, as_=as_))

    async def started(
        self, name: str, *arguments: str, as_: str | None = "admin"
    ) -> asyncio.subprocess.Process:
        """Start a command."""
        credentials = {
            "admin": {"ROBOSURE_ADMIN_PASSWORD": self.password},
            None: {},
        }.get(as_, {"ROBOSURE_API_KEY": as_ or ""})
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("ROBOSURE_")
        }
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "robosure.entrypoints.cli"),
            *(name, "--url", self.url, *arguments),
            env={**kept, **credentials, "ROBOSURE_HOME": str(self.home)},
            cwd=self.home,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def ended(self, process: asyncio.subprocess.Process) -> Ran:
        """Wait for its end."""
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ran(process.returncode, out, err.decode())

    async def events(self) -> int:
        """Return whether there are events, as a number."""
        page = await self.world.admin.get("/events", params={"limit": 1})
        return len(answered(page)["items"])

    async def api_key(self, *scopes: str, robot_id: UUID | None = None) -> str:
        """Make a key of the operator's."""
        document = {
            "organisation_id": str(self.world.operator_id),
            "name": "gateway",
            "scopes": scopes,
            "robot_id": None if robot_id is None else str(robot_id),
        }
        made = await self.world.admin.post("/api-keys", json=document)
        return str(answered(made, 201)["key"])


@pytest.fixture
async def installation(
    api: ApiClient, runtime: Runtime, deliver: Delivery, tmp_path: Path
) -> AsyncIterator[Installation]:
    world = await World.build(api, deliver, runtime)
    password = runtime.settings.admin_password
    assert password is not None
    async with _served(api) as url, _worked(deliver):
        yield Installation(world, url, password.get_secret_value(), tmp_path)


@asynccontextmanager
async def _served(api: ApiClient) -> AsyncIterator[str]:
    """Serve the application on a port, in this process."""
    config = uvicorn.Config(
        api.app,
        port=0,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    server = uvicorn.Server(config)
    sockets = [config.bind_socket()]
    port = sockets[0].getsockname()[1]
    # Not `serve`, which would take the signals away from the test.
    serving = asyncio.create_task(server._serve(sockets))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def _worked(deliver: Delivery) -> AsyncIterator[None]:
    """Do what a worker does, again and again."""

    stopped = asyncio.Event()

    async def until_stopped() -> None:
        while not stopped.is_set():
            await deliver()
            await asyncio.sleep(_PAUSE_SECONDS)

    working = asyncio.create_task(until_stopped())
    try:
        yield
    finally:
        # Not cancelled, which would leave a transaction and a message half done.
        stopped.set()
        await working


async def test_what_is_produced_takes_effect_once_and_faults_are_told_apart(
    installation: Installation,
) -> None:
    # when 600 events of five robots are sent, some of them faulty
    ran = await installation.run(
        "produce",
        *("--count", "600", "--robots", "5", "--batch", "40", "--connections", "2"),
        *("--duplicates", "10", "--out-of-order", "20", "--malformed", "10"),
        *("--seed", "3", "--json"),
    )
    # then each took effect once, repeats were recognised, and malformed ones refused
    report = ran.report
    sent = report["sent"]
    assert sent["valid"] == 600
    assert sent["duplicates"] > 0
    assert sent["malformed"] > 0
    assert report["accepted"] == 600 + sent["duplicates"]
    assert report["refused"] == sent["malformed"]
    assert report["effects"] == {
        "stored": 600,
        "repeated": sent["duplicates"],
        "failed": 0,
    }
    # and the API knows them, as those of an operator of their own
    page = answered(await installation.world.admin.get("/robots", params={"limit": 50}))
    assert len(page["items"]) == 5
    counts = [
        answered(
            await installation.world.admin.get(
                "/event-counts", params={"subject": robot["id"]}
            )
        )["stored"]
        for robot in page["items"]
    ]
    assert counts == [120] * 5


@pytest.mark.parametrize("name", ["produce", "loadtest"])
async def test_ctrl_c_ends_the_sending_and_what_was_sent_is_accounted_for(
    installation: Installation, name: str
) -> None:
    # given a run of an hour
    arguments = {
        "produce": ("--count", "36000", "--rate", "10", "--json"),
        "loadtest": ("--duration", "3600", "--rate", "10", "--json", "-"),
    }[name]
    process = await installation.started(
        name, *arguments, "--robots", "1", "--batch", "1"
    )
    await until("an event", installation.events, bool)
    # when it is interrupted
    process.send_signal(signal.SIGINT)
    # then it says what it has done, all of which took effect
    report = (await installation.ended(process)).report
    assert report["stopped"] is True
    if name == "produce":
        assert 0 < report["accepted"] < 36_000
        assert report["effects"]["stored"] == report["accepted"]
    else:
        assert 0 < report["events"]["accepted"] < 36_000
        assert report["effects"]["seen"]["count"] <= report["events"]["accepted"]
        assert report["effects"]["drained_seconds"] is not None


async def test_people_see_what_was_produced(installation: Installation) -> None:
    ran = await installation.run("produce", "--count", "20", "--robots", "1")
    assert ran.status == 0, ran.err
    lines = [line.replace("│", " ").split() for line in ran.out.decode().splitlines()]
    assert ["Events", "sent", "20"] in lines
    assert ["Took", "effect", "20"] in lines
    assert ["Failed", "0"] in lines


async def test_a_device_sends_of_its_own_robots(installation: Installation) -> None:
    # given a device of an operator's gateway, with two robots
    robots = await installation.world.robots(2)
    await installation.world.deliver()
    key = await installation.api_key("events:write", "events:read", "robots:read")
    # when it sends twice
    for _ in range(2):
        ran = await installation.run(
            "produce", "--count", "50", "--robots", "9", "--json", as_=key
        )
        assert ran.report["robots"] == 2
        assert ran.report["effects"]["stored"] == 50
    # then all of that is of its robots
    assert [await installation.world.counts(robot) for robot in robots] == [
        (50, 0, 0),
        (50, 0, 0),
    ]


async def test_a_device_of_one_robot_that_may_not_look_sends_all_the_same(
    installation: Installation,
) -> None:
    (robot,) = await installation.world.robots(1)
    await installation.world.deliver()
    key = await installation.api_key("events:write", robot_id=robot)
    ran = await installation.run("produce", "--count", "30", "--json", as_=key)
    assert ran.report["accepted"] == 30
    assert ran.report["effects"] is None


async def test_a_device_that_may_not_send_is_refused(
    installation: Installation,
) -> None:
    key = await installation.api_key("events:read")
    ran = await installation.run("produce", "--json", as_=key)
    assert (ran.status, ran.out) == (1, b"")
    assert ran.err == (
        "robosure: the API key may not send events: it lacks events:write\n"
    )


async def test_a_wrong_password_ends_with_one_line(installation: Installation) -> None:
    ran = await installation.run("produce", "--password", "wrong", "--json", as_=None)
    assert (ran.status, ran.out) == (1, b"")
    assert ran.err.startswith("robosure: POST /api/v1/auth/sign-in answered 401: ")
    assert ran.err.count("\n") == 1


async def test_a_load_test_accounts_for_every_request_and_every_event(
    installation: Installation,
) -> None:
    # when 205 events are offered in batches of 10 at 400 a second
    ran = await installation.run(
        "loadtest",
        *("--events", "205", "--rate", "400", "--batch", "10", "--robots", "4"),
        *("--connections", "8", "--json", "-"),
    )
    report = ran.report
    # then that is 21 requests, all accepted and measured
    http = report["http"]
    assert http["statuses"] == {"202": 21}
    assert http["errors"] == {}
    assert http["offered_per_second"] == 40.0
    assert http["latency"]["count"] == http["delay"]["count"] == 21
    assert http["latency"]["p50_ms"] <= http["latency"]["p99_ms"]
    assert http["latency"]["max_ms"] > 0
    assert report["events"]["accepted"] == 205
    assert report["events"]["refused"] == 0
    # and the watched robot's share of them, a quarter, was seen to take effect
    seen = report["effects"]["seen"]
    assert seen["count"] == 52
    assert seen["max_ms"] > 0
    assert report["effects"]["drained_seconds"] >= 0


async def test_people_see_a_load_test_and_its_figures_can_be_kept(
    installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "figures.json"
    ran = await installation.run(
        "loadtest",
        *("--duration", "0.5", "--rate", "100", "--batch", "10", "--robots", "2"),
        *("--json", str(file)),
    )
    assert ran.status == 0, ran.err
    shown = ran.out.decode()
    lines = [line.replace("│", " ").split() for line in shown.splitlines()]
    assert ["Answered", "202", "5"] in lines
    assert "due to answer" in shown
    assert "202 to effect, as seen" in shown
    assert orjson.loads(file.read_bytes())["events"]["accepted"] == 50


async def test_the_monitor_shows_what_is_served(installation: Installation) -> None:
    await installation.run("produce", "--count", "20", "--robots", "1", "--json")
    ran = await installation.run("monitor", "--once", "--json", "--interval", "0.2")
    shown = ran.report
    assert shown["error"] is None
    assert shown["ready"] is True
    assert shown["checks"]["database"] == "ok"
    assert shown["http"]["per_second"] > 0
    assert any(each["endpoint"] == "/metrics" for each in shown["http"]["busiest"])
    assert any(each["received_per_second"] == 0.0 for each in shown["streams"]), shown[
        "streams"
    ]
