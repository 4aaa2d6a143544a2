"""`robosure events` against a real API on a real port."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from sqlalchemy import func, update

from robosure.kernel.errors import Invalid
from robosure.kernel.ids import uuid7
from robosure.platform.runtime import Runtime
from robosure.platform.streams.bus import INGEST_GROUP
from robosure.platform.streams.ingest import Batch, written
from robosure.platform.streams.letters import Letter, dead_letters, put_aside
from tests.integration.contexts.eventflow.conftest import cloud_event
from tests.journey import World
from tests.support import ApiClient, Delivery

Json = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Json:
        assert self.status == 0, self.err
        found: Json = json.loads(self.out)
        return found


@dataclass(frozen=True)
class Installation:
    world: World
    runtime: Runtime
    deliver: Delivery
    url: str
    home: Path

    async def run(self, name: str, *arguments: str, **environ: str) -> Ran:
        """Run ``robosure events NAME`` as its administrator."""
        password = self.runtime.settings.admin_password
        assert password is not None
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "robosure.entrypoints.cli", "events", name),
            *("--url", self.url, *arguments),
            env={
                **os.environ,
                "ROBOSURE_ADMIN_PASSWORD": password.get_secret_value(),
                "ROBOSURE_HOME": str(self.home),
                "COLUMNS": "200",
                **environ,
            },
            cwd=self.home,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    async def letters(self, *numbers: int) -> list[UUID]:
        """Put events aside; return the letters' ids, the first first."""
        robots = await self.world.robots()
        for number in numbers:
            event = cloud_event(number, subject=str(robots[0]))
            batch = Batch(uuid7(), "request-1", self.runtime.clock.now())
            letter = Letter(
                consumer=INGEST_GROUP,
                stream="ingest",
                event_id=str(uuid7()),
                type=event["type"],
                content=written(batch, 0, [event]).decode(),
                occurred_at=self.runtime.clock.now(),
                source=event["source"],
                subject=event["subject"],
            )
            async with self.runtime.database.write() as session:
                await put_aside(
                    session, letter, error=Invalid("out_of_range"), attempts=3,
                    at=self.runtime.clock.now(),
                )  # fmt: skip
        found = (await self.run("failed", "--json")).document["items"]
        return [UUID(each["id"]) for each in reversed(found)]


@pytest.fixture
async def installation(
    api: ApiClient, runtime: Runtime, deliver: Delivery, tmp_path: Path
) -> AsyncIterator[Installation]:
    world = await World.build(api, deliver, runtime)
    async with served(api) as url:
        yield Installation(world, runtime, deliver, url, tmp_path)


@asynccontextmanager
async def served(api: ApiClient) -> AsyncIterator[str]:
    config = uvicorn.Config(api.app, port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    sockets = [config.bind_socket()]
    # Not `serve`, which would take the signals away from the test.
    serving = asyncio.create_task(server._serve(sockets))
    try:
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def worked(deliver: Delivery) -> AsyncIterator[None]:
    """Do what a worker does, again and again."""
    stop = asyncio.Event()

    async def until_stopped() -> None:
        while not stop.is_set():
            await deliver()
            await asyncio.sleep(0.1)

    working = asyncio.create_task(until_stopped())
    try:
        yield
    finally:
        stop.set()
        await working


def ids(letters: Sequence[UUID]) -> list[str]:
    return [str(each) for each in letters]


async def test_where_nothing_failed_it_says_so(installation: Installation) -> None:
    for arguments in (["failed"], ["failed", "--kinds"]):
        ran = await installation.run(*arguments)
        assert (ran.status, ran.out) == (0, "No dead letters.\n"), ran.err
    ran = await installation.run("replay", "--all", "--wait")
    assert (ran.status, ran.out) == (0, "No open dead letters fit.\n"), ran.err


async def test_what_failed_is_listed_shown_corrected_and_replayed(
    installation: Installation,
) -> None:
    # given two events that failed
    first, second = await installation.letters(1, 2)
    ran = await installation.run("failed")
    assert ran.status == 0
    assert str(first) in ran.out
    assert "Invalid: out of range" in ran.out
    (kind,) = (await installation.run("failed", "--kinds", "--json")).document["items"]
    assert (kind["consumer"], kind["letters"]) == (INGEST_GROUP, 2)
    shown = (await installation.run("show", str(first), "--json")).document
    assert shown["event"]["data"] == {"speed": 0.25}
    # when one is corrected from a file, and one in an editor that changes nothing
    file = installation.home / "data.json"
    file.write_text('{"speed": 0.5}')
    ran = await installation.run("edit", str(first), "--data", str(file))
    assert ran.out == f"Changed. Replay it: robosure events replay {first}\n"
    ran = await installation.run("edit", str(second), EDITOR="true", VISUAL="")
    assert (ran.status, ran.out) == (0, "Nothing was changed.\n"), ran.err
    # and all are replayed
    async with worked(installation.deliver):
        ran = await installation.run("replay", "--all", "--wait")
    # then
    assert (ran.status, ran.out) == (0, "2 replayed.\n"), ran.err
    page = await installation.world.admin.get("/events")
    assert [each["data"] for each in page.json()["items"]] == [
        {"speed": 0.5},
        {"speed": 0.5},
    ]
    assert (await installation.run("failed")).out == "No dead letters.\n"


async def test_what_was_changed_while_it_was_edited_stays_so(
    installation: Installation,
) -> None:
    # given a letter that is open in an editor
    (letter,) = await installation.letters(1)
    home, admin = installation.home, installation.world.admin
    (home / "editor.sh").write_text(
        "touch opened\n"
        "until [ -e changed ]; do sleep 0.05; done\n"
        """echo '{"speed": 2.0}' > "$1"\n"""
    )
    editing = asyncio.create_task(
        installation.run("edit", str(letter), EDITOR="sh editor.sh", VISUAL="")
    )
    opened = home / "opened"
    while not (opened.exists() or editing.done()):  # noqa: ASYNC110 - it happens elsewhere
        await asyncio.sleep(0.05)
    # when someone else corrects it before that is saved
    path = f"/dead-letters/{letter}"
    changed = await admin.patch(path, json={"data": {"speed": 0.5}})
    assert changed.status_code == 204
    (home / "changed").touch()
    ran = await editing
    # then who edited is told so, and nothing is lost
    assert (ran.status, ran.err) == (
        1,
        f"robosure: {letter} was changed meanwhile, and is not edited; look again\n",
    )
    assert (await admin.get(path)).json()["event"]["data"] == {"speed": 0.5}


async def test_what_cannot_be_done_is_said_in_a_line(
    installation: Installation,
) -> None:
    (letter,) = await installation.letters(1)
    (installation.home / "bad.json").write_text("{")
    (installation.home / "wrong.json").write_text('{"speed": "fast"}')
    for arguments, expected in (
        (["show", str(uuid7())], "there is no dead letter"),
        (["edit", str(letter), "--data", "bad.json"], "bad.json is no JSON"),
        (["edit", str(letter), "--data", "wrong.json"], "speed"),
        (["replay"], "say which: either ids, or"),
        (["replay", str(letter), "--all"], "say which: either ids, or"),
        (["replay", str(letter), str(uuid7())], "1 of these are not open"),
        (["rebuild", "nothing.there"], "projection not found"),
        (["trace", str(uuid7())], "event not found"),
        (["types", "nothing.v1"], "event type not found"),
    ):
        ran = await installation.run(*arguments)
        assert ran.status == 1, arguments
        assert ran.err.startswith("robosure: "), ran.err
        assert ran.err.count("\n") == 1
        assert expected in ran.err


async def test_a_replay_that_fails_again_ends_with_one(
    installation: Installation,
) -> None:
    # given a letter that nobody can handle
    (letter,) = await installation.letters(1)
    content = func.replace(dead_letters.c.content, "robot.telemetry.v1", "gone.v1")
    async with installation.runtime.database.write() as session:
        await session.execute(update(dead_letters).values(content=content))
    # when
    async with worked(installation.deliver):
        ran = await installation.run("replay", "--consumer", INGEST_GROUP, "--wait")
    # then
    assert ran.status == 1
    assert ran.out.startswith(f"1 waiting.\n  {letter}  KeyError")
    assert ran.err == "robosure: 1 of 1 were not handled\n"


async def test_what_is_given_up_needs_a_reason(installation: Installation) -> None:
    letters = await installation.letters(1, 2)
    ran = await installation.run("discard", *ids(letters))
    assert ran.status == 2
    ran = await installation.run(
        "discard", *ids(letters), "--reason", "a test fleet", "--json"
    )
    assert ran.document["letters"] == 2
    ran = await installation.run("failed", "--status", "discarded", "--json")
    assert {each["reason"] for each in ran.document["items"]} == {"a test fleet"}
    ran = await installation.run("discard", str(letters[0]), "--reason", "again")
    assert (ran.status, ran.out) == (1, "")


async def test_a_projection_is_rebuilt_and_followed(
    installation: Installation,
) -> None:
    await installation.world.robots(2)
    listed = await installation.run("rebuild")
    assert "eventflow.robots" in listed.out
    async with worked(installation.deliver):
        ran = await installation.run("rebuild", "eventflow.robots", "--follow")
    assert ran.status == 0, ran.err
    assert ran.out.startswith("eventflow.robots is rebuilt: 2 facts and events")
    async with worked(installation.deliver):
        ran = await installation.run(
            *("rebuild", "eventflow.robots", "--follow", "--json"),
            *("--from", "2026-03-02", "--to", "2026-03-03"),
        )
    assert ran.document["status"] == "kept"
    assert ran.document["rows"] == {"robots": 2}
    assert ran.err == ""


async def test_types_and_the_way_of_an_event_are_shown(
    installation: Installation,
) -> None:
    (robot_id,) = await installation.world.robots()
    event = cloud_event(1, subject=str(robot_id))
    assert await installation.world.send_events([event]) == 1
    await installation.deliver()
    (stored,) = (await installation.world.admin.get("/events")).json()["items"]
    ran = await installation.run("trace", stored["uid"])
    assert ran.status == 0, ran.err
    assert "robot.telemetry.v1" in ran.out
    assert "processed" in ran.out
    ran = await installation.run("types")
    assert "robots.RobotRegistered" in ran.out
    assert "for ever" in ran.out
    ran = await installation.run("types", "robot.telemetry.v1", "--json")
    assert ran.document["owner"] == "eventflow"
