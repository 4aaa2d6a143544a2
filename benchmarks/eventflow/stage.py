"""What the benchmarks run on: real servers, the product's processes, a known fleet."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import orjson
import psutil

from robosure.entrypoints.client.server import Server
from robosure.entrypoints.stack.ports import choose_port
from robosure.entrypoints.stack.servers import embedded_servers

ADMIN: Final = "admin@robosure.local"
PASSWORD: Final = "a benchmark's password"  # noqa: S105 - of a server that lives a minute
_COMMAND: Final = (sys.executable, "-m", "robosure.entrypoints.cli")
_IDLE_SECONDS: Final = 2.0
_IDLE_SHARE: Final = 0.2
_READINGS: Final = (
    "battery", "temperature", "speed", "position_x", "position_y", "heading"
)  # fmt: skip


@dataclass
class Stage:
    """Servers, migrated and seeded, and the processes that are started on them."""

    directory: Path
    database_url: str
    redis_url: str
    settings: dict[str, str]
    running: dict[str, list[psutil.Process]] = field(default_factory=dict)

    @property
    def dsn(self) -> str:
        """The database's URL without a driver."""
        return self.database_url.replace("+asyncpg", "")

    @property
    def environment(self) -> dict[str, str]:
        """What every process is told."""
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "LOG_LEVEL": "WARNING",
            "ENVIRONMENT": "development",
            "ROBOSURE_ADMIN_EMAIL": ADMIN,
            "ROBOSURE_ADMIN_PASSWORD": PASSWORD,
            "ROBOSURE_FILES_DIRECTORY": str(self.directory / "files"),
            "ROBOSURE_MAIL_DIRECTORY": str(self.directory / "mail"),
            "ROBOSURE_SIGNING_KEY_FILES": _signing_key(self.directory),
            "PROMETHEUS_MULTIPROC_DIR": str(self.directory / "metrics"),
            **self.settings,
        }

    def run(self, *arguments: str) -> None:
        """Run a command of the product to its end."""
        subprocess.run([*_COMMAND, *arguments], env=self.environment, check=True)

    @contextmanager
    def process(self, *arguments: str, count: int = 1) -> Iterator[None]:
        """Keep so many processes of the product running."""
        name = " ".join(arguments[:2])
        log = (self.directory / f"{name}.log").open("ab")
        started = [
            subprocess.Popen(
                [*_COMMAND, *arguments], env=self.environment, stdout=log, stderr=log
            )
            for _ in range(count)
        ]
        self.running[name] = [psutil.Process(each.pid) for each in started]
        try:
            yield
            if dead := [each.args for each in started if each.poll() is not None]:
                message = f"{dead} ended; see {log.name}: {Path(log.name).read_text()}"
                raise RuntimeError(message)
        finally:
            for each in started:
                each.send_signal(signal.SIGTERM)
            for each in started:
                each.wait(30)
            log.close()
            del self.running[name]

    @contextmanager
    def api(self) -> Iterator[Server]:
        """Keep one API process running."""
        port = choose_port()
        with self.process("serve", "--port", str(port)):
            url = f"http://127.0.0.1:{port}"
            _await_answer(f"{url}/health")
            yield Server(url, ADMIN, PASSWORD)

    async def settled(self, seconds: float = 120.0) -> None:
        """Wait until all that was started has nothing to do: it has been imported.

        Raises:
            TimeoutError: it goes on and on.
        """
        async with asyncio.timeout(seconds):
            used = sum(self.cpu_seconds().values())
            while True:
                await asyncio.sleep(_IDLE_SECONDS)
                before, used = used, sum(self.cpu_seconds().values())
                if used - before < _IDLE_SHARE * _IDLE_SECONDS:
                    return

    def cpu_seconds(self) -> dict[str, float]:
        """Return what each kind of process has used so far, servers included."""
        used = {
            name: sum(_cpu(each) for one in processes for each in _with_children(one))
            for name, processes in self.running.items()
        }
        for process in psutil.process_iter(["name"]):
            name = process.info["name"]
            if name in {"postgres", "redis-server"} and _is_ours(process):
                used[name] = used.get(name, 0.0) + _cpu(process)
        return used


@contextmanager
def staged(*, partitions: int = 4, **settings: str) -> Iterator[Stage]:
    """Start durable servers with an empty, migrated database."""
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="robosure-bench-"))
        )
        urls = stack.enter_context(embedded_servers(directory / "state"))
        (directory / "metrics").mkdir()
        settings["ROBOSURE_EVENT_PARTITIONS"] = str(partitions)
        stage = Stage(directory, urls.database_url, urls.redis_url, settings)
        stage.run("migrate")
        stage.run("seed")
        yield stage


@dataclass(frozen=True)
class Sample:
    """CloudEvents of telemetry, about as large as the peers' events.

    Attributes:
        joints: how many the robots have; with none, an event has six readings and
            about 350 bytes.
    """

    robots: Sequence[UUID]
    joints: int = 0
    seed: int = 1

    def batches(self, events: int, at_once: int, *, first: int = 0) -> Iterator[bytes]:
        """Write so many events as JSON arrays, ten to the second of each robot."""
        for start in range(first, first + events, at_once):
            yield orjson.dumps(
                [self.event(number) for number in range(start, start + at_once)]
            )

    def event(self, number: int) -> dict[str, Any]:
        """Write one event."""
        random = Random(self.seed * 1_000_003 + number)
        robot = str(self.robots[number % len(self.robots)])
        tick = number // len(self.robots)
        second, tenth = divmod(tick, 10)
        minute, second = divmod(second, 60)
        hour, minute = divmod(minute, 60)
        day, hour = divmod(hour, 24)
        return {
            "specversion": "1.0",
            "id": str(UUID(int=random.getrandbits(128), version=4)),
            "source": f"/robots/{robot}",
            "type": "robot.telemetry.v1",
            "subject": robot,
            "time": f"2026-11-{1 + day:02}T{hour:02}:{minute:02}:{second:02}.{tenth}Z",
            "data": self._data(random),
        }

    def _data(self, random: Random) -> dict[str, Any]:
        if not self.joints:
            return {name: round(random.uniform(0, 100), 4) for name in _READINGS}
        per_joint = ("joint_currents", "joint_temperatures", "joint_speeds")
        return {
            **{
                name: [round(random.uniform(0, 3), 6) for _ in range(self.joints)]
                for name in per_joint
            },
            "tool_current": round(random.uniform(0, 1), 6),
            "cycle": 1,
            "protective_stop": random.randrange(100) == 0,
            "grip_lost": False,
        }


def report(document: dict[str, Any], file: Path | None) -> None:
    """Print the figures, and keep them where asked."""
    print(_text(document), flush=True)
    if file is not None:
        write(document, file)


def write(document: dict[str, Any], file: Path) -> None:
    """Keep the figures."""
    file.write_text(_text(document) + "\n", encoding="utf-8")


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, default=str)


def _signing_key(directory: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    file = directory / "signing.pem"
    if not file.exists():
        key = Ed25519PrivateKey.generate()
        file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    return str(file)


def _await_answer(url: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _is_ours(process: psutil.Process) -> bool:
    own = os.getpid()
    try:
        return own in {parent.pid for parent in process.parents()}
    except psutil.NoSuchProcess:
        return False
