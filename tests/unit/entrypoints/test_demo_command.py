"""``robosure demo``: where it goes, and what it prints."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.text import Text

from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.client.progress import Silence
from robosure.entrypoints.client.server import Server
from robosure.entrypoints.demo import command
from robosure.entrypoints.demo.command import run_demo
from robosure.entrypoints.stack.state import Running, State

HERE = Server("http://127.0.0.1:8123", "admin@here", "here")
THERE = Server("http://there", "admin@there", "there")


@pytest.fixture
def visited(monkeypatch: pytest.MonkeyPatch) -> list[Server]:
    """The servers that the journey was taken to."""
    visited: list[Server] = []

    async def journey(source: Any, watcher: Any, server: Server) -> dict[str, Any]:
        visited.append(server)
        return {"seconds": 0.1}

    monkeypatch.setattr(command, "_journey", journey)
    monkeypatch.setattr(command, "SimulatedFleet", object)
    return visited


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Running:
    """A stack that runs here."""
    running = Running(
        pid=1,
        api_url=HERE.url,
        admin_email=HERE.email,
        admin_password=HERE.password,
        database_url="postgresql+asyncpg://here/db",
        redis_url="redis://here/0",
    )
    monkeypatch.setenv("ROBOSURE_HOME", str(tmp_path))
    monkeypatch.setattr(State, "running", lambda _: running)
    return running


class OwnStack:
    """Stands where the embedded stack does."""

    stopped_early = False

    def __init__(self, state: State, *, api_port: int, **_: object) -> None:
        assert api_port == 0

    async def run_while(self, work: Callable[[Running], Awaitable[Any]]) -> Any:
        if self.stopped_early:
            return None
        return await work(self.running)

    running: Running


@pytest.fixture
def own_stack(monkeypatch: pytest.MonkeyPatch, running: Running) -> type[OwnStack]:
    """No stack runs here; one of our own is started."""

    class Started(OwnStack):
        pass

    Started.running = running
    monkeypatch.setattr(State, "running", lambda _: None)
    monkeypatch.setattr(command, "Stack", Started)
    return Started


def demo(*, as_json: bool = True, server: Server | None = None) -> None:
    run_demo(telemetry=None, profile=None, as_json=as_json, server=server)


def test_as_json_one_object_is_printed_and_nothing_else(
    visited: list[Server], running: Running, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    demo()
    printed = capfdbinary.readouterr()
    assert orjson.loads(printed.out) == {"seconds": 0.1}
    assert printed.out.count(b"\n") == 1
    assert printed.err == b""


def test_the_stack_that_runs_here_is_used(
    visited: list[Server], running: Running
) -> None:
    demo()
    assert visited == [HERE]


def test_a_server_that_is_named_is_before_the_stack_that_runs_here(
    visited: list[Server], running: Running
) -> None:
    demo(server=THERE)
    assert visited == [THERE]


def test_without_any_a_stack_of_its_own_is_started(
    visited: list[Server], own_stack: type[OwnStack]
) -> None:
    demo()
    assert visited == [HERE]


def test_a_stack_that_is_stopped_under_it_is_an_error(
    visited: list[Server],
    own_stack: type[OwnStack],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_stack, "stopped_early", True)
    with pytest.raises(ClientError, match=r"^stopped before the end$"):
        demo()
    assert visited == []


def test_people_see_the_summary(
    visited: list[Server],
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "summary", lambda report: Text(f"told: {report}"))
    demo(as_json=False)
    assert "told: {'seconds': 0.1}" in capsys.readouterr().out


def test_the_journey_is_taken_below_the_apis_prefix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a server whose address ends with a slash
    server = Server("http://there:8000/", "ada@there", "pw")
    seen: list[Any] = []

    class Taken:
        def __init__(self, api: Any, *rest: object) -> None:
            seen.extend((str(api._http.base_url), *rest))

        async def run(self) -> dict[str, Any]:
            return {}

    monkeypatch.setattr(command, "Journey", Taken)
    # when it is visited
    watcher = Silence()
    source: Any = object()
    asyncio.run(command._journey(source, watcher, server))
    # then this is where it goes, and as whom
    assert seen == ["http://there:8000/api/v1/", source, watcher, "ada@there", "pw"]
