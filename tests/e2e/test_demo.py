"""The product as people run it: `robosure demo`, and `robosure up` under fire.

Real processes, real servers, a directory of their own; nothing is replaced.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import psutil
import pytest
from pypdf import PdfReader

from robosure.entrypoints.demo.sources import SimulatedFleet
from robosure.entrypoints.stack.state import Running, State
from tests.e2e.environment import neutral_environment
from tests.real_data import ur3_file

Json = dict[str, Any]

_PROCESSES: Final = ("postgres", "redis", "api", "worker", "jobs", "beat")


class Home:
    """A state directory, and the commands that were run on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "state"
        self._base = directory
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, output: str) -> subprocess.Popen[bytes]:
        """Start a command; what it prints goes to ``output``.out and .err."""
        with (
            self._file(output, "out").open("wb") as out,
            self._file(output, "err").open("wb") as err,
        ):
            process = subprocess.Popen(
                [sys.executable, "-m", "robosure.entrypoints.cli", *arguments],
                env={**neutral_environment(), "ROBOSURE_HOME": str(self.directory)},
                cwd=self._base,
                stdout=out,
                stderr=err,
            )
        self._started.append(process)
        return process

    def printed(self, output: str) -> bytes:
        return self._file(output, "out").read_bytes()

    def said(self, output: str) -> str:
        return self._file(output, "err").read_text()

    def up(self, output: str) -> tuple[subprocess.Popen[bytes], Running]:
        """Start the stack, and wait until it is there."""
        stack = self.start("up", "--port", "0", output=output)
        eventually(lambda: stack.poll() is not None or self._running() is not None)
        assert stack.poll() is None, self.said(output)
        running = self._running()
        assert running is not None
        return stack, running

    def kill(self, name: str) -> None:
        """Kill one of the stack's processes, and wait until it was started anew."""
        pid = self._pid_of(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self._pid_of(name) not in {None, pid})

    def left(self) -> list[str]:
        """What still runs of all that was started here."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                here = process.environ().get("ROBOSURE_HOME") == str(self.directory)
                if here and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
        return found

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.terminate()
                process.wait(60)

    def _running(self) -> Running | None:
        return State(self.directory).running()

    def _pid_of(self, name: str) -> int | None:
        children = State(self.directory).register.children()
        return next((child.pid for child in children if child.name == name), None)

    def _file(self, output: str, kind: str) -> Path:
        return self._base / f"{output}.{kind}"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    # Not `tmp_path`, whose parent pytest closes to others: as root the database
    # server is another user, who must get in.
    directory = Path(tempfile.mkdtemp(prefix="robosure-e2e-"))
    directory.chmod(0o755)
    home = Home(directory)
    yield home
    home.close()
    shutil.rmtree(directory)


@dataclass(frozen=True)
class FirstRun:
    """The demo, run on a machine on which nothing runs and nothing is kept."""

    status: int
    printed: bytes
    said: str
    left: list[str]

    @property
    def report(self) -> Json:
        assert self.status == 0, self.said
        assert self.said == ""
        return reported(self.printed)


@pytest.fixture(scope="module")
def first_run(home: Home) -> FirstRun:
    """On the real arm's telemetry where it is there, else on the simulated fleet."""
    file: list[str] = []
    with suppress(pytest.skip.Exception):
        file = ["--telemetry", str(ur3_file()), "--profile", "ur3-cobotops"]
    demo = home.start("demo", *file, "--json", output="first")
    status = demo.wait(110)
    return FirstRun(status, home.printed("first"), home.said("first"), home.left())


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def reported(printed: bytes) -> Json:
    """Return what the demo printed: one line, one object."""
    assert printed.endswith(b"\n")
    assert printed.count(b"\n") == 1
    report: Json = orjson.loads(printed)
    return report


def assert_all_is_accounted_for(telemetry: Json, rows: int) -> None:
    assert telemetry["rows"] == rows
    assert telemetry["stored"] == rows
    assert telemetry["failed"] == 0
    assert telemetry["repeated"] == telemetry["sent_twice"] > 0
    assert telemetry["accepted"] == telemetry["stored"] + telemetry["repeated"]


def assert_it_ended_well(report: Json) -> None:
    claim = report["claim"]
    assert claim["status"] == "paid"
    assert claim["evidence_samples"] > 0
    assert claim["reserve"]["paid"] == claim["settlement"]["amount"]
    assert report["policy"]["first_instalment"]["status"] == "paid"
    assert report["ledger"]["transactions"] > 0
    assert report["ledger"]["sum_minor"] == 0
    assert report["deliveries"] >= 5


def test_a_real_arms_day_becomes_a_policy_and_a_paid_claim(
    first_run: FirstRun, home: Home
) -> None:
    ur3_file()
    # given a day of a real arm, and what the demo printed of it
    report = first_run.report
    # then every figure is that of the file
    assert_all_is_accounted_for(report["telemetry"], 7409)
    risk = report["risk"]
    assert risk["samples"] == 7409
    assert risk["incomplete_samples"] == 54
    assert round(risk["operating_seconds"], 1) == 7510.6
    assert risk["protective_stop"] == {"samples": 278, "episodes": 108}
    assert risk["grip_loss"] == {"samples": 243, "episodes": 77}
    assert_it_ended_well(report)
    # and telemetry changed the price
    quote = report["quote"]
    assert quote["premium"] != quote["premium_without_telemetry"]
    # and there is a certificate of the policy
    policy = report["policy"]
    (certificate,) = (home.directory / "files").rglob("*.pdf")
    assert certificate.stat().st_size == policy["certificate_bytes"] > 1000
    assert policy["number"] in PdfReader(certificate).pages[0].extract_text()
    # and nothing ran any more
    assert first_run.left == []


def test_it_keeps_what_it_was_told_and_ends_right_whatever_is_killed(
    first_run: FirstRun, home: Home
) -> None:
    # given what the first run left, and a stack that is started on it
    earlier = first_run.report
    stack, running = home.up("up")
    with httpx.Client(base_url=running.api_url) as browser:
        assert_the_docs_are_served(browser)
    # then one signs in as before, and everything is there
    with signed_in(running) as admin:
        for path, kind in (("/policies", "policy"), ("/claims", "claim")):
            told = earlier[kind]
            assert found(admin, f"{path}/{told['id']}")["number"] == told["number"]
        newest = latest_event(admin)
    # when each of its processes is killed while a fleet's demo is under way
    demo = home.start("demo", "--json", output="demo")
    wait_for_telemetry(running, newest)
    for name in _PROCESSES:
        assert demo.poll() is None, f"over before {name} was killed"
        home.kill(name)
        time.sleep(0.5)
    # then it ends right, and nothing was lost or counted twice
    assert demo.wait(100) == 0, home.said("demo") + home.said("up")
    report = reported(home.printed("demo"))
    assert_all_is_accounted_for(report["telemetry"], SimulatedFleet().rows)
    assert_it_ended_well(report)
    # when it is told to stop, then nothing runs any more
    stack.send_signal(signal.SIGTERM)
    assert stack.wait(60) == 0
    assert home.left() == []


def assert_the_docs_are_served(browser: httpx.Client) -> None:
    page = browser.get("/docs")
    assert page.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {asset.rpartition(".")[2] for asset in assets} >= {"js", "css"}
    for asset in (*assets, "/openapi.json"):
        answer = browser.get(asset)
        assert answer.status_code == 200, asset
        assert answer.content, asset


@contextmanager
def signed_in(running: Running) -> Iterator[httpx.Client]:
    body = {"email": running.admin_email, "password": running.admin_password}
    with httpx.Client(base_url=f"{running.api_url}/api/v1") as client:
        answer = client.post("/auth/sign-in", json=body)
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


def found(client: httpx.Client, path: str) -> Json:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    return document


def wait_for_telemetry(running: Running, before: str) -> None:
    """Wait until more telemetry has been processed than there was."""
    with signed_in(running) as admin:
        eventually(lambda: latest_event(admin) != before)


def latest_event(admin: httpx.Client) -> str:
    return str(found(admin, "/events?limit=1")["items"][0]["uid"])
