"""The whole embedded stack as `robosure up` runs it, in a process of its own.

The servers are real. The command line interface is a small stand-in, so that what is
tested here is the stack and not the product it carries.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from robosure.entrypoints.stack.errors import StackError
from robosure.entrypoints.stack.state import Running, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLI = """
import asyncio, http.server, json, os, sys, time

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *arguments):
        pass

def count_tables():
    import asyncpg
    async def ask():
        url = os.environ["DATABASE_URL"].replace("+asyncpg", "")
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE IF NOT EXISTS starts (at timestamptz)")
        await connection.execute("INSERT INTO starts VALUES (now())")
        return await connection.fetchval("SELECT count(*) FROM starts")
    return asyncio.run(ask())

what = " ".join(sys.argv[1:])
if what == os.environ.get("FAIL"):
    sys.exit("Error: the schema is newer than this version")
if what == "migrate":
    print("start number", count_tables())
elif sys.argv[1] == "serve":
    address = (sys.argv[3], int(sys.argv[5]))
    http.server.ThreadingHTTPServer(address, Health).serve_forever()
elif what != "seed":
    print("works", what, flush=True)
    time.sleep(600)
"""

DRIVER = """
import asyncio, sys
from pathlib import Path
from robosure.entrypoints.stack.errors import StackError
from robosure.entrypoints.stack.stack import Stack
from robosure.entrypoints.stack.state import State

directory, cli, port, *flags = sys.argv[1:]
stack = Stack(
    State(Path(directory)), api_port=int(port), fresh="--fresh" in flags,
    command=[sys.executable, cli],
)
try:
    asyncio.run(stack.run(lambda running: print("ready", flush=True)))
except StackError as error:
    sys.exit(f"error: {error}")
"""


class Home:
    """A state directory and the stacks started on it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.directory = base / "state"
        self.screen = base / "screen"
        (base / "cli.py").write_text(CLI)
        (base / "driver.py").write_text(DRIVER)
        self._started: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        *flags: str,
        port: int = 0,
        user: str | None = None,
        environ: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        known = {name: os.environ[name] for name in ("PATH", "HOME")}
        driver, cli = str(self.base / "driver.py"), str(self.base / "cli.py")
        with self.screen.open("ab") as screen:
            stack = subprocess.Popen(
                [sys.executable, driver, str(self.directory), cli, str(port), *flags],
                env={**known, **(environ or {})},
                stdout=screen,
                stderr=screen,
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
            )
        self._started.append(stack)
        return stack

    def up(self, *flags: str) -> subprocess.Popen[bytes]:
        ready = self.text.count("ready\n")
        stack = self.start(*flags)
        eventually(
            lambda: self.text.count("ready\n") > ready or stack.poll() is not None
        )
        assert stack.poll() is None, self.text
        return stack

    def refused(
        self,
        *flags: str,
        port: int = 0,
        user: str | None = None,
        environ: dict[str, str] | None = None,
    ) -> str:
        """Start a stack that is to fail, and give the last line it says."""
        stack = self.start(*flags, port=port, user=user, environ=environ)
        assert stack.wait(60) == 1, self.text
        return self.text.splitlines()[-1]

    @property
    def text(self) -> str:
        return self.screen.read_text() if self.screen.exists() else ""

    @property
    def running(self) -> Running:
        running = State(self.directory).running()
        assert running is not None
        return running

    def pid_of(self, name: str) -> int:
        children = State(self.directory).register.children()
        return next(child.pid for child in children if child.name == name)

    def close(self) -> None:
        for stack in self._started:
            if stack.poll() is None:
                stack.terminate()
                stack.wait(60)


@pytest.fixture
def home() -> Iterator[Home]:
    # Not `tmp_path`: pytest closes its parent to others each time a worker starts,
    # and as root the database server is another.
    with tempfile.TemporaryDirectory(prefix="robosure-") as directory:
        home = Home(Path(directory))
        yield home
        home.close()


def eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def processes_of(stack: subprocess.Popen[bytes]) -> list[psutil.Process]:
    process = psutil.Process(stack.pid)
    return [process, *process.children(recursive=True)]


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if lives(process)]


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def answers(running: Running) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{running.api_url}/health"):
        return True
    return False


def test_it_starts_says_where_it_is_and_stops_without_a_rest(home: Home) -> None:
    # given a stack that is up
    stack = home.up()
    running = home.running
    assert answers(running)
    # then it says how to reach it, and shows each process's lines by name
    assert f"  API      {running.api_url}\n" in home.text
    assert f"  Docs     {running.api_url}/docs\n" in home.text
    assert f"admin@robosure.local, password {running.admin_password}\n" in home.text
    assert "migrate  | start number 1\n" in home.text
    assert "worker   | works work\n" in home.text
    assert "jobs     | works jobs\n" in home.text
    assert "beat     | works jobs --beat\n" in home.text
    # when it is told to stop
    processes = processes_of(stack)
    assert len(processes) > 8
    stack.send_signal(signal.SIGTERM)
    # then it ends well, and leaves nothing that runs
    assert stack.wait(60) == 0
    assert living(processes) == []
    assert State(home.directory).running() is None


def test_it_goes_on_where_it_stopped_and_fresh_forgets(home: Home) -> None:
    first = home.up()
    before = home.running
    first.send_signal(signal.SIGINT)
    assert first.wait(60) == 0
    # when it starts again, then data and passwords are there
    again = home.up()
    assert "start number 2" in home.text
    assert home.running.database_url == before.database_url
    assert home.running.admin_password == before.admin_password
    again.terminate()
    assert again.wait(60) == 0
    # when it starts fresh, beside a file that is not the stack's
    (home.directory / "mine.txt").write_text("keep")
    home.up("--fresh")
    # then the data is gone and the file is not
    assert home.text.count("start number 1\n") == 2
    assert home.running.admin_password != before.admin_password
    assert (home.directory / "mine.txt").read_text() == "keep"


def test_any_process_that_is_killed_comes_back(home: Home) -> None:
    home.up()
    names = ("postgres", "redis", "api", "worker", "jobs", "beat")
    before = {name: home.pid_of(name) for name in names}
    for pid in before.values():
        psutil.Process(pid).kill()
    died = "died (signal 9, SIGKILL), restarting in 0.5 s"
    lines = [f"{name:<8} | {died}\n" for name in names]
    eventually(lambda: all(line in home.text for line in lines))
    eventually(lambda: answers(home.running))
    eventually(lambda: len(State(home.directory).register.children()) == len(names))
    assert not set(before.values()) & {home.pid_of(name) for name in names}


@pytest.mark.parametrize("moment", ["postgres.new", "postgres", "logs/migrate.log"])
def test_it_can_be_stopped_while_it_starts(home: Home, moment: str) -> None:
    stack = home.start()
    eventually((home.directory / moment).exists)
    processes = processes_of(stack)
    stack.terminate()
    assert stack.wait(60) == 0
    assert living(processes) == []
    assert "Traceback" not in home.text
    # and then it starts all the same
    home.up()


def test_a_killed_stack_leaves_nothing_that_runs(home: Home) -> None:
    stack = home.up()
    processes = processes_of(stack)
    stack.kill()
    eventually(lambda: not living(processes))
    assert State(home.directory).running() is None


def test_a_killed_stack_leaves_nothing_even_without_its_directory(
    home: Home,
) -> None:
    stack = home.up()
    processes = processes_of(stack)
    shutil.rmtree(home.directory)
    stack.kill()
    eventually(lambda: not living(processes))


def test_a_stack_whose_directory_is_deleted_can_still_be_stopped(home: Home) -> None:
    stack = home.up()
    processes = processes_of(stack)
    shutil.rmtree(home.directory)
    stack.terminate()
    assert stack.wait(60) == 0
    assert living(processes) == []
    assert "Traceback" not in home.text


def test_what_an_utterly_killed_stack_leaves_is_ended_by_the_next(home: Home) -> None:
    # given a stack of which supervisor and watchdog are killed at once
    stack = home.up()
    processes = processes_of(stack)
    children = {child.pid for child in State(home.directory).register.children()}
    [watchdog] = [
        one for one in psutil.Process(stack.pid).children() if one.pid not in children
    ]
    psutil.Process(stack.pid).suspend()
    watchdog.kill()
    stack.kill()
    assert stack.wait(10) == -signal.SIGKILL
    assert home.pid_of("postgres") in {process.pid for process in living(processes)}
    # when the next starts
    home.up()
    # then what was left has ended, and the data is there
    assert living(processes) == []
    assert "postgres | was left by a killed stack, and is ended" in home.text
    assert "start number 2" in home.text


def test_a_taken_port_ends_with_one_line_and_wipes_nothing(home: Home) -> None:
    home.up().terminate()
    home.close()
    content = (home.directory / "stack.json").read_text()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = home.refused("--fresh", port=port)
    assert line == (
        f"error: port {port} on 127.0.0.1 is taken: "
        "stop what uses it, or choose another"
    )
    assert (home.directory / "stack.json").read_text() == content


def test_two_stacks_never_share_a_directory(home: Home) -> None:
    stack = home.up()
    line = home.refused("--fresh")
    assert line == (
        f"error: a stack already runs on {home.directory} (process {stack.pid}): "
        "stop it first"
    )
    assert answers(home.running)


@pytest.mark.parametrize("step", ["migrate", "seed"])
def test_a_failing_step_ends_with_one_line_and_no_process(
    home: Home, step: str
) -> None:
    line = home.refused(environ={"FAIL": step})
    reason = "Error: the schema is newer than this version"
    assert line == f"error: {step} failed: {reason}"
    assert "Traceback" not in home.text
    assert not State(home.directory).register.path.exists()


def test_given_servers_are_used_and_none_started(home: Home) -> None:
    own = {
        "DATABASE_URL": "postgresql+asyncpg://ada@127.0.0.1:1/insurance",
        "REDIS_URL": "redis://127.0.0.1:1/1",
    }
    line = home.refused(environ=own)
    assert line.startswith("error: migrate failed: ")
    assert not (home.directory / "postgres").exists()
    assert not (home.directory / "redis").exists()


def test_a_directory_that_cannot_be_made_ends_with_one_line(home: Home) -> None:
    home.directory.write_text("a file, not a directory")
    line = home.refused()
    assert line == f"error: cannot use {home.directory}/lock: Not a directory"


def test_a_directory_of_another_user_ends_with_one_line(home: Home) -> None:
    # given a directory of ours, and a start by somebody else
    if os.geteuid() != 0:
        home.directory.mkdir(mode=0o500)
        line = home.refused()
    else:
        user = an_ordinary_user(home)
        home.directory.mkdir()
        line = home.refused(user=user)
    assert line == f"error: cannot use {home.directory}/lock: Permission denied"


def test_an_ordinary_user_runs_it_as_well_as_root(home: Home) -> None:
    if os.geteuid() != 0:
        pytest.skip("every other test has shown it, this being an ordinary user")
    user = an_ordinary_user(home)
    stack = home.start(user=user)
    eventually(lambda: "ready\n" in home.text or stack.poll() is not None)
    assert stack.poll() is None, home.text
    processes = processes_of(stack)
    assert {process.username() for process in processes} == {user}
    stack.terminate()
    assert stack.wait(60) == 0
    assert living(processes) == []


def an_ordinary_user(home: Home) -> str:
    user = "nobody"
    can_run = (
        subprocess.run(
            [sys.executable, "-c", "import robosure"], user=user, check=False
        )
        if _reachable(Path(sys.executable))
        else None
    )
    if can_run is None or can_run.returncode != 0:
        pytest.skip(f"{user} cannot reach this Python, which is in root's home")
    shutil.chown(home.base, user)
    return user


def _reachable(path: Path) -> bool:
    parents = path.resolve().parents
    return all(parent.stat().st_mode & 0o001 for parent in parents)


def test_running_is_only_said_of_a_stack_that_lives(home: Home) -> None:
    home.up()
    content = (home.directory / "stack.json").read_text()
    assert json.loads(content)["running"]["pid"] == home.running.pid
    home.close()
    (home.directory / "stack.json").write_text(content)
    assert State(home.directory).running() is None


def test_a_damaged_file_is_said_and_not_replaced(home: Home) -> None:
    home.directory.mkdir()
    (home.directory / "stack.json").write_text("{")
    with pytest.raises(StackError, match="cannot be understood"):
        State(home.directory).prepare()
    assert (home.directory / "stack.json").read_text() == "{"
