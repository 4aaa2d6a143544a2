"""One child of the supervisor: how it is described, started, heard and ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robosure.entrypoints.stack.output import LineSplitter
from robosure.entrypoints.stack.processes import ChildRecord, ProcessId, kill_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from robosure.entrypoints.stack.output import Output
    from robosure.entrypoints.stack.processes import Register
    from robosure.entrypoints.stack.system_user import SystemUser

_LAUNCHER = str(Path(__file__).with_name("launch.py"))
_CHUNK = 65_536
_LAST_WORDS_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """A process the supervisor keeps running.

    Attributes:
        name: the prefix of its lines and the name of its log file.
        quiet: its lines are kept in the log file but not shown.
        fatal: what a line says that tells why it ended; else its last line does.
        command: what to execute, without a shell.
        environment: its whole environment; None is the supervisor's own.
        user: who it runs as; None is who the supervisor runs as.
        prepare: done before every start; raises `StackError` to give up.
        ready: asked until it says yes; None means ready after ``settle`` seconds.
        ready_timeout: seconds after which a child that is not ready is ended.
        settle: seconds a child without a probe must live to count as started.
        stop_signal: how it is asked to stop.
        stop_timeout: seconds it gets to do so, before it is killed.
    """

    name: str
    command: Sequence[str]
    quiet: bool = False
    fatal: str | None = None
    environment: Mapping[str, str] | None = None
    user: SystemUser | None = None
    prepare: Callable[[], Awaitable[None]] | None = None
    ready: Callable[[], Awaitable[bool]] | None = None
    ready_timeout: float = 60.0
    settle: float = 1.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 10.0


class Child:
    """A process that has been started and not yet been buried."""

    def __init__(
        self, spec: ChildSpec, process: subprocess.Popen[bytes], output: Output
    ) -> None:
        self.spec = spec
        self.last_words = ""
        self._process = process
        self._output = output
        self._identity = ProcessId.of(process.pid)
        self._loop = asyncio.get_running_loop()
        self._status: asyncio.Future[int] = self._loop.create_future()
        self._listener = asyncio.create_task(self._listen())
        # Not asyncio's own child processes: on some Python versions their wait()
        # only returns when every holder of the pipe has gone, orphans included.
        threading.Thread(target=self._await_status, daemon=True).start()

    @classmethod
    def start(
        cls, spec: ChildSpec, *, stage: int, register: Register, output: Output
    ) -> Child:
        """Start a process in a session of its own and write it down."""
        gate, gatekeeper = os.pipe()
        try:
            held_back = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                process = _popen(spec, gate)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, held_back)
            child = cls(spec, process, output)
            register.add(child.record(stage))
            os.write(gatekeeper, b"!")
        finally:
            os.close(gate)
            os.close(gatekeeper)
        return child

    @property
    def pid(self) -> int:
        """The process id, also the id of its session."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process itself has ended; others of its session may live."""
        return self._status.done()

    def record(self, stage: int) -> ChildRecord:
        """What the register needs to know to end it without us."""
        return ChildRecord(
            pid=self.pid,
            created=self._identity.created,
            name=self.spec.name,
            stage=stage,
            stop_signal=self.spec.stop_signal,
            stop_timeout=self.spec.stop_timeout,
        )

    async def wait(self) -> int:
        """Wait until the process has ended; negative is the signal it died of."""
        return await asyncio.shield(self._status)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ask it to stop, and wait until it has, time is up or `hurry` is set."""
        if self.ended:
            return
        self._signal(self.spec.stop_signal)
        hurried = asyncio.create_task(hurry.wait())
        either: set[asyncio.Future[Any]] = {hurried, self._status}
        await asyncio.wait(
            either,
            timeout=self.spec.stop_timeout,
            return_when=asyncio.FIRST_COMPLETED,
        )
        hurried.cancel()

    async def bury(self) -> int:
        """Kill what is left of its session and take down its last words."""
        self._signal(signal.SIGKILL)
        status = await self.wait()
        await asyncio.to_thread(kill_session, self._identity)
        await asyncio.wait({self._listener}, timeout=_LAST_WORDS_SECONDS)
        self._listener.cancel()
        return status

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended:
            self._process.send_signal(number)

    def _await_status(self) -> None:
        status = self._process.wait()
        # The loop may be gone if its owner did not wait for us.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._set_status, status)

    def _set_status(self, status: int) -> None:
        if not self._status.done():
            self._status.set_result(status)

    async def _listen(self) -> None:
        assert self._process.stdout is not None  # nosec B101 # noqa: S101 - always a pipe
        reader = asyncio.StreamReader()
        transport, _ = await self._loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        lines = LineSplitter()
        try:
            while chunk := await reader.read(_CHUNK):
                self._hear(lines.feed(chunk))
        finally:
            self._hear(lines.finish())
            transport.close()

    def _hear(self, lines: list[str]) -> None:
        for line in lines:
            if self.spec.fatal is None or self.spec.fatal in line:
                self.last_words = line.strip() or self.last_words
            self._output.line(self.spec.name, line, show=not self.spec.quiet)


def _popen(spec: ChildSpec, gate: int) -> subprocess.Popen[bytes]:
    uid, gid = (spec.user.uid, spec.user.gid) if spec.user else (-1, -1)
    launcher = [sys.executable, "-I", "-S", _LAUNCHER, str(gate), str(uid), str(gid)]
    return subprocess.Popen(  # nosec B603 # our own commands, as a list
        [*launcher, *spec.command],
        env=None if spec.environment is None else dict(spec.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(gate,),
        start_new_session=True,
    )
