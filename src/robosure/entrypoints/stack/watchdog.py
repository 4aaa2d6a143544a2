"""A small process that outlives the supervisor by just long enough to clean up.

It reads from a pipe whose other end only the supervisor holds, and hears there who the
children are. When the supervisor ends, however it ends, the pipe does, and the watchdog
ends the children it knows of: none after an orderly stop. It works where the kernel has
no "signal me when my parent dies", reaches whole sessions instead of one process, and
needs no file: the state directory may be gone as well.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict

from robosure.entrypoints.stack.processes import ChildRecord, end_children

_MODULE = "robosure.entrypoints.stack.watchdog"
_RESTART_SECONDS = 0.5


class Watchdog:
    """The supervisor's side: starts the process, and again if that is killed."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._children: list[ChildRecord] = []

    def start(self) -> None:
        """Start it and keep it running."""
        self._pipe, self._lifeline = os.pipe()
        self._process = self._spawn()
        threading.Thread(target=self._keep, daemon=True).start()

    def tell(self, children: list[ChildRecord]) -> None:
        """Say who the children are now."""
        with self._lock:
            self._children = children
            self._send()

    def stop(self) -> None:
        """Let it see that all is over, and wait for its end."""
        with self._lock:
            self._stopping.set()
            os.close(self._lifeline)
            os.close(self._pipe)
        self._process.wait()

    def _send(self) -> None:
        message = json.dumps([asdict(child) for child in self._children]) + "\n"
        # We hold the reading end too: what nobody has read yet waits in the pipe.
        os.write(self._lifeline, message.encode())

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # nosec B603 # our own module
            [sys.executable, "-I", "-m", _MODULE, str(self._pipe)],
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
                self._send()


def watch(pipe: int) -> None:
    """Return once the supervisor and all its children have ended."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    children: list[ChildRecord] = []
    with os.fdopen(pipe) as messages:
        for message in messages:
            # One cut short by the supervisor's death says nothing: the child it was
            # about has not been let go yet.
            if message.endswith("\n"):
                children = [ChildRecord(**child) for child in json.loads(message)]
    end_children(children)


if __name__ == "__main__":
    watch(int(sys.argv[1]))
