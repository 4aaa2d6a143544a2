"""A small process that outlives the supervisor by just long enough to clean up.

It reads from a pipe whose other end only the supervisor holds. When the supervisor
ends, however it ends, the read returns, and the watchdog ends the children that the
register still names: none after an orderly stop. It works where the kernel has no
"signal me when my parent dies", and reaches whole sessions instead of one process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from robosure.entrypoints.stack.processes import Register, end_children

_MODULE = "robosure.entrypoints.stack.watchdog"
_RESTART_SECONDS = 0.5


class Watchdog:
    """The supervisor's side: starts the process, and again if that is killed."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start it and keep it running."""
        self._pipe, self._lifeline = os.pipe()
        self._process = self._spawn()
        threading.Thread(target=self._keep, daemon=True).start()

    def stop(self) -> None:
        """Let it see that all is over, and wait for its end."""
        with self._lock:
            self._stopping.set()
            os.close(self._lifeline)
            os.close(self._pipe)
        self._process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        arguments = [str(self._pipe), str(self._register.path), str(os.getpid())]
        return subprocess.Popen(
            [sys.executable, "-I", "-m", _MODULE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._pipe,),
            start_new_session=True,
        )

    def _keep(self) -> None:
        while True:
            self._process.wait()
            self._stopping.wait(_RESTART_SECONDS)
            with self._lock:
                if self._stopping.is_set():
                    return
                self._process = self._spawn()


def watch(pipe: int, register: Register, supervisor_pid: int) -> None:
    """Return once the supervisor and all its children have ended."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while os.read(pipe, 1):
        pass
    supervisor = register.supervisor()
    # By now the next start may have cleaned up and written its own children.
    if supervisor is not None and supervisor.pid == supervisor_pid:
        end_children(register.children())


if __name__ == "__main__":
    watch(int(sys.argv[1]), Register(Path(sys.argv[2])), int(sys.argv[3]))
