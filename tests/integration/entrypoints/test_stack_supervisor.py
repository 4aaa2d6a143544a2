"""The supervisor, with small children in place of servers."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from rich.console import Console

from robosure.entrypoints.monitor.exposition import Exposition
from robosure.entrypoints.stack.child import ChildSpec
from robosure.entrypoints.stack.errors import StackError
from robosure.entrypoints.stack.output import Output
from robosure.entrypoints.stack.processes import Register
from robosure.entrypoints.stack.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SLEEP = "import time; print('up', flush=True); time.sleep(600)"


class Screen:
    """What a person would see."""

    def __init__(self, logs: Path) -> None:
        self._file = io.StringIO()
        console = Console(file=self._file, width=200)
        self.output = Output(logs=logs, console=console)

    @property
    def text(self) -> str:
        return self._file.getvalue()

    async def shows(self, text: str, times: int = 1) -> None:
        await eventually(lambda: self.text.count(text) >= times)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path / "processes.json")


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    screen = Screen(tmp_path / "logs")
    yield screen
    screen.output.close()


def python(name: str, code: str, **options: Any) -> ChildSpec:
    command = [sys.executable, "-c", code]
    return ChildSpec(name=name, command=command, **options)


async def eventually(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


async def test_a_killed_child_is_started_again_and_it_says_so(
    register: Register, screen: Screen, tmp_path: Path
) -> None:
    # given a child that is up
    async with Supervisor(register=register, output=screen.output) as supervisor:
        await supervisor.start(python("worker", SLEEP, settle=0.1))
        await screen.shows("worker   | up")
        [before] = register.children()
        # when it is killed
        psutil.Process(before.pid).kill()
        # then another takes its place, on the screen and in the log
        await screen.shows("worker   | up", times=2)
        [after] = register.children()
        assert after.pid != before.pid
        line = "died (signal 9, SIGKILL), restarting in 0.5 s"
        assert f"worker   | {line}\n" in screen.text
        assert line in (tmp_path / "logs" / "worker.log").read_text()
    assert not lives(after.pid)


async def test_a_dead_child_works_on_no_lanes_and_what_it_counted_stays(
    register: Register, screen: Screen, tmp_path: Path
) -> None:
    # given a child that has taken in an event and works on a lane
    code = (
        "import time\n"
        "from robosure.platform.metrics import EVENTS_RECEIVED, STREAM_LANES\n"
        "EVENTS_RECEIVED.labels('ingest').inc()\n"
        "STREAM_LANES.labels('ingest', 'risk').inc()\n"
        "print('up', flush=True); time.sleep(600)"
    )
    measured = tmp_path / "metrics"
    measured.mkdir()
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(measured)}
    spec = python("worker", code, environment=environment, settle=0.1)
    async with Supervisor(register=register, output=screen.output) as supervisor:
        await supervisor.start(spec)
        await screen.shows("worker   | up")
        [before] = register.children()
        assert shown(measured).names("stream_lanes", "pid") == {str(before.pid)}
        # when it is killed, and another takes its place
        psutil.Process(before.pid).kill()
        await screen.shows("worker   | up", times=2)
        # then only that one's lane is shown, and the events of both
        [after] = register.children()
        assert shown(measured).names("stream_lanes", "pid") == {str(after.pid)}
        assert shown(measured).total("events_received_total") == 2


def shown(measured: Path) -> Exposition:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(measured))  # type: ignore[no-untyped-call]  # its library has no types
    return Exposition.parse(generate_latest(registry).decode())


async def test_what_a_killed_child_had_started_ends_with_it(
    register: Register, screen: Screen
) -> None:
    # given a child with a child of its own, in another process group, on our pipe
    code = (
        "import subprocess, sys, time\n"
        "one = subprocess.Popen(['sleep', '600'], process_group=0)\n"
        "print('started', one.pid, flush=True); time.sleep(600)"
    )
    async with Supervisor(register=register, output=screen.output) as supervisor:
        await supervisor.start(python("jobs", code, settle=0.1))
        await screen.shows("started")
        grandchild = int(screen.text.split("started ")[1].split()[0])
        [record] = register.children()
        # when the child is killed
        psutil.Process(record.pid).kill()
        # then its own is gone before it is started again
        await screen.shows("restarting")
        assert not lives(grandchild)


async def test_a_child_that_never_starts_ends_it_all_with_one_line(
    register: Register, screen: Screen, tmp_path: Path
) -> None:
    code = "import sys; print('first', flush=True); sys.exit('no such table')"
    sleeper = python("redis", SLEEP, settle=0.1)
    supervisor = Supervisor(register=register, output=screen.output, failed_starts=2)
    async with supervisor:
        await supervisor.start(sleeper)
        [other] = register.children()
        with pytest.raises(StackError) as failure:
            await supervisor.start(python("api", code))
    assert str(failure.value) == (
        'api does not start (exit 1, 2 times in a row): "no such table"; '
        f"see {tmp_path / 'logs' / 'api.log'}"
    )
    assert not lives(other.pid)
    assert not register.path.exists()


async def test_of_a_child_that_never_starts_the_fatal_line_is_told(
    register: Register, screen: Screen
) -> None:
    code = "import sys; print('FATAL: taken', flush=True); sys.exit('LOG: shut down')"
    supervisor = Supervisor(register=register, output=screen.output, failed_starts=1)
    async with supervisor:
        with pytest.raises(StackError, match='"FATAL: taken"'):
            await supervisor.start(python("postgres", code, fatal="FATAL:"))


async def test_a_child_that_is_not_ready_in_time_is_started_again(
    register: Register, screen: Screen
) -> None:
    # given a child that is ready only the second time
    asked = 0

    async def ready() -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:
            await asyncio.sleep(60)
        return True

    spec = python("api", SLEEP, ready=ready, ready_timeout=0.3)
    async with Supervisor(register=register, output=screen.output) as supervisor:
        await supervisor.start(spec)
    assert "api      | was not ready after 0.3 s" in screen.text
    assert "api      | died (signal 15, SIGTERM), restarting in 0.5 s" in screen.text


async def test_stages_are_stopped_in_reverse_and_the_deaf_are_killed(
    register: Register, screen: Screen
) -> None:
    polite = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye')))\n"
        "print('up', flush=True); time.sleep(600)"
    )
    deaf = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('what?', flush=True))\n"
        "print('up', flush=True)\nwhile True: time.sleep(600)"
    )
    async with Supervisor(register=register, output=screen.output) as supervisor:
        await supervisor.start(python("first", polite, settle=0.1))
        await supervisor.start(python("second", deaf, settle=0.1, stop_timeout=3))
        await screen.shows("| up", times=2)
        pids = [record.pid for record in register.children()]
    assert screen.text.index("second   | what?") < screen.text.index("first    | bye")
    assert not any(lives(pid) for pid in pids)


async def test_in_a_hurry_nobody_is_waited_for(
    register: Register, screen: Screen
) -> None:
    deaf = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True); time.sleep(600)"
    )
    async with Supervisor(register=register, output=screen.output) as supervisor:
        await supervisor.start(python("worker", deaf, stop_timeout=600, settle=0.1))
        await screen.shows("| up")
        supervisor.hurry()


async def test_a_command_run_once_fails_with_the_last_thing_it_said(
    register: Register, screen: Screen
) -> None:
    async with Supervisor(register=register, output=screen.output) as supervisor:
        await supervisor.run(python("seed", "print('fine')"))
        with pytest.raises(StackError, match=r"^the database is newer$"):
            await supervisor.run(
                python("migrate", "import sys; sys.exit('the database is newer')")
            )
        with pytest.raises(StackError, match=r"^exit 7$"):
            await supervisor.run(python("migrate", "import sys; sys.exit(7)"))
    assert "seed     | fine" in screen.text


async def test_a_command_that_does_not_exist_is_named(
    register: Register, screen: Screen
) -> None:
    async with Supervisor(register=register, output=screen.output) as supervisor:
        spec = ChildSpec(name="odd", command=["/nowhere/program"])
        with pytest.raises(StackError, match=r"cannot run /nowhere/program: No such"):
            await supervisor.run(spec)


async def test_the_watchdog_is_itself_started_again(
    register: Register, screen: Screen
) -> None:
    def watchdogs() -> list[psutil.Process]:
        module = "robosure.entrypoints.stack.watchdog"
        children = psutil.Process().children()
        living = [one for one in children if one.status() != psutil.STATUS_ZOMBIE]
        return [one for one in living if module in one.cmdline()]

    async with Supervisor(register=register, output=screen.output):
        [first] = watchdogs()
        first.kill()
        await eventually(
            lambda: [one.pid for one in watchdogs()] not in ([], [first.pid])
        )
    assert watchdogs() == []
