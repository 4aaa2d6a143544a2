"""Who runs on a state directory, and how to end those nobody looks after any more.

The supervisor writes every child to ``processes.json``, and tells its watchdog,
before the child starts to work. Should the supervisor be killed, the watchdog ends
them; should both be killed, the next start ends those that the file names. A process
is known by its id and its time of creation, because ids are used again.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

# The kernel counts in ticks since boot; the wall clock it is added to may be set.
_SAME_TIME_SECONDS = 2.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class ProcessId:
    """One process, for as long as the machine runs."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Identify a process that runs now.

        Raises:
            psutil.NoSuchProcess: it has ended.
        """
        return cls(pid=pid, created=psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process if it still runs, and is not one that took over its id."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _SAME_TIME_SECONDS
            if same and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


@dataclass(frozen=True, kw_only=True)
class ChildRecord(ProcessId):
    """A child as written down: what it is called and how it wants to be stopped."""

    name: str
    stage: int
    stop_signal: int
    stop_timeout: float


class Register:
    """The file that names the supervisor of a state directory and its children."""

    def __init__(self, path: Path) -> None:
        self.on_change: Callable[[list[ChildRecord]], None] | None = None
        self._path = path
        self._children: dict[int, ChildRecord] = {}
        self._supervisor: ProcessId | None = None

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def claim(self) -> None:
        """Name this process as the supervisor, without children yet."""
        self._supervisor = ProcessId.of(os.getpid())
        self._children = {}
        self._write()

    def add(self, record: ChildRecord) -> None:
        """Write a child down."""
        self._children[record.pid] = record
        self._write()

    def remove(self, pid: int) -> None:
        """Forget a child that has ended."""
        if self._children.pop(pid, None) is not None:
            # Nothing keeps a stop from going on, not even a directory deleted under
            # it; who is named and has ended is recognised as such.
            with suppress(OSError):
                self._write()

    def release(self) -> None:
        """Name nobody any more."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def supervisor(self) -> ProcessId | None:
        """The supervisor the file names, whether it lives or not."""
        return self._read()[0]

    def children(self) -> list[ChildRecord]:
        """The children the file names, whether they live or not."""
        return self._read()[1]

    def _read(self) -> tuple[ProcessId | None, list[ChildRecord]]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            supervisor = ProcessId(**content["supervisor"])
            return supervisor, [ChildRecord(**one) for one in content["children"]]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None, []

    def _write(self) -> None:
        children = list(self._children.values())
        if self.on_change is not None:
            self.on_change(children)
        assert self._supervisor is not None, "claim() comes first"  # nosec B101 # noqa: S101 - no user can cause it
        content = {
            "supervisor": asdict(self._supervisor),
            "children": [asdict(record) for record in children],
        }
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(content), encoding="utf-8")
        draft.replace(self._path)


def end_children(records: Iterable[ChildRecord]) -> list[str]:
    """End children that have lost their supervisor, the last started first.

    Each gets its own signal and its own time, then its whole session is killed.

    Returns:
        The names of those that still ran.
    """
    stages: dict[int, list[ChildRecord]] = {}
    for record in records:
        stages.setdefault(record.stage, []).append(record)
    ended: list[str] = []
    for _, stage in sorted(stages.items(), reverse=True):
        ended += _end_stage(stage)
    return ended


def _end_stage(records: list[ChildRecord]) -> list[str]:
    # A second process may be at it as well (a watchdog and the next start).
    ours = [(record, record.process()) for record in records]
    living = [(record, process) for record, process in ours if process is not None]
    for record, process in living:
        with suppress(psutil.Error):
            process.send_signal(record.stop_signal)
    timeout = max((record.stop_timeout for record, _ in living), default=0.0)
    kill(wait_until_gone((process for _, process in living), seconds=timeout))
    lately = {record.pid for record, _ in living}
    for record in records:
        certain = record.pid in lately
        kill_session(record, program=None if certain else _interpreter())
    return [record.name for record, _ in living]


def _interpreter() -> str:
    # What our children fork, they fork from Python; the servers need no help.
    return psutil.Process().exe()


def kill_session(leader: ProcessId, *, program: str | None = None) -> None:
    """Kill what is left of a session whose leader has ended.

    Taken by session and not by group, because a member may have left the group.

    Args:
        leader: who led it.
        program: only members that run this; to be safe where the leader ended long
            ago, and its id may by now name a stranger's session.
    """
    with suppress(psutil.Error):
        heir = psutil.Process(leader.pid)
        if abs(heir.create_time() - leader.created) >= _SAME_TIME_SECONDS:
            return
    kill(member for pid in psutil.pids() for member in _member(pid, leader, program))


def _member(pid: int, leader: ProcessId, program: str | None) -> list[psutil.Process]:
    with suppress(OSError, psutil.Error):
        if os.getsid(pid) == leader.pid:
            member = psutil.Process(pid)
            if program is None or member.exe() == program:
                return [member]
    return []


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill at once and wait until the kernel has let go of them."""
    victims = list(processes)
    for process in victims:
        with suppress(psutil.Error):
            process.kill()
    wait_until_gone(victims, seconds=5)


def wait_until_gone(
    processes: Iterable[psutil.Process], *, seconds: float
) -> list[psutil.Process]:
    """Wait for processes that need not be our children.

    A zombie counts as gone: where nothing reaps orphans it stays for ever.

    Returns:
        Those that still run after the given time.
    """
    deadline = time.monotonic() + seconds
    while living := [process for process in processes if _lives(process)]:
        if time.monotonic() >= deadline:
            return living
        processes = living
        time.sleep(_POLL_SECONDS)
    return []


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def describe_status(status: int) -> str:
    """Say how a process ended, from the status that ``Popen`` reports."""
    if status >= 0:
        return f"exit {status}"
    with suppress(ValueError):
        return f"signal {-status}, {signal.Signals(-status).name}"
    return f"signal {-status}"
