"""The stage: the whole product as `robosure up` runs it, and ways to hurt it.

Real processes and durable servers, in a directory of their own that is deleted at the
end; nothing else on the machine is touched.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil

from robosure.entrypoints.stack.state import Running, State
from tests.e2e.environment import neutral_environment

_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 60.0
_READY_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_SAYING: Final = {
    "worker": b"platform.worker.start_completed",
    "relay": b"platform.worker.start_completed",
}
"""What a process that answers nobody says once it works."""


class StageError(Exception):
    """The stack does not come up, or not again."""


@dataclass(frozen=True)
class Killed:
    """A process that was killed, and how much it had said in its log."""

    name: str
    pid: int
    said: int


@dataclass
class Stage:
    """A stack that runs.

    Attributes:
        running: where it is.
        http: asks its API.
        database_url: of its database itself, past anything put in between.
    """

    state: State
    running: Running
    process: subprocess.Popen[bytes]
    http: httpx.AsyncClient
    database_url: str

    def pid_of(self, name: str) -> int | None:
        """Return the process of that name; None while there is none."""
        children = self.state.register.children()
        return next((child.pid for child in children if child.name == name), None)

    def has(self, name: str) -> bool:
        """Whether the stack runs a process of that name."""
        return self.pid_of(name) is not None

    async def kill(self, name: str) -> Killed:
        """Kill a process where it stands."""
        async with asyncio.timeout(_READY_SECONDS):
            while (pid := self.pid_of(name)) is None:  # noqa: ASYNC110 - another's doing
                await asyncio.sleep(_POLL_SECONDS)
        said = self._log(name).stat().st_size
        os.kill(pid, signal.SIGKILL)
        return Killed(name, pid, said)

    async def until_ready(self, *, instead_of: Killed | None = None) -> None:
        """Wait until the API says that it can work.

        Args:
            instead_of: what was killed, and first has to have a successor.

        Raises:
            StageError: it does not, in a minute.
        """
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not self._is_back(instead_of):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
                while not await self._is_ready():  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise StageError(self.last_words("not ready again")) from error

    def _is_back(self, killed: Killed | None) -> bool:
        """Whether there is a successor; one that cannot be asked has to say so."""
        if killed is None:
            return True
        if self.pid_of(killed.name) in {None, killed.pid}:
            return False
        if (saying := _SAYING.get(killed.name)) is None:
            return True
        with self._log(killed.name).open("rb") as log:
            log.seek(killed.said)
            return saying in log.read()

    def _log(self, name: str) -> Path:
        return self.state.logs / f"{name}.log"

    async def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise StageError(self.last_words("the stack has ended"))
        with suppress(httpx.TransportError):
            return (await self.http.get("/ready")).status_code == httpx.codes.OK
        return False

    def last_words(self, reason: str) -> str:
        """Say what went wrong, and what the processes said last."""
        logs = sorted(self.state.logs.glob("*.log"))
        ends = (
            f"--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-5:])
            for log in logs
        )
        return "\n".join([reason, *ends])

    def memory_of(self, name: str) -> int:
        """Return the resident bytes of a process; 0 while there is none."""
        pid = self.pid_of(name)
        with suppress(psutil.Error):
            if pid is not None:
                return int(psutil.Process(pid).memory_info().rss)
        return 0


@asynccontextmanager
async def a_stage(
    *,
    servers: tuple[str, str] | None = None,
    database_url: str | None = None,
    keep_logs: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """Start a stack in a directory of its own, and end it.

    Args:
        servers: URLs of the database and of Redis; by default the stack starts both.
        database_url: how we reach that database ourselves.
        keep_logs: where to copy the processes' logs in the end.
        settings: what else to set in the environment.

    Raises:
        StageError: it does not start.
    """
    base = new_directory("stack")
    state = State(base / "state")
    environment = {
        **neutral_environment(),
        "ROBOSURE_HOME": str(state.directory),
        **(settings or {}),
    }
    if servers is not None:
        environment["DATABASE_URL"], environment["REDIS_URL"] = servers
    with (base / "output").open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
            [sys.executable, "-m", "robosure.entrypoints.cli", "up", "--port", "0"],
            env=environment,
            cwd=base,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        running = await _running(state, process, base / "output")
        async with httpx.AsyncClient(base_url=running.api_url) as http:
            yield Stage(
                state, running, process, http, database_url or running.database_url
            )
    finally:
        await _end(process)
        if keep_logs is not None:
            shutil.copytree(state.logs, keep_logs, dirs_exist_ok=True)
        shutil.rmtree(base, ignore_errors=True)


def new_directory(purpose: str) -> Path:
    """Make a temporary directory, open to the user the database server runs as."""
    directory = Path(tempfile.mkdtemp(prefix=f"robosure-chaos-{purpose}-"))
    directory.chmod(0o755)
    return directory


async def _running(
    state: State, process: subprocess.Popen[bytes], output: Path
) -> Running:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if (running := state.running()) is not None:
            return running
        await asyncio.sleep(_POLL_SECONDS)
    said = await asyncio.to_thread(output.read_text)
    raise StageError(f"the stack does not start:\n{said[-3000:]}")


async def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # Its watchdog ends the processes that it leaves.
            process.kill()
            await asyncio.to_thread(process.wait)
