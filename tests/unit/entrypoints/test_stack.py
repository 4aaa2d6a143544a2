"""The parts of the embedded stack that decide without touching anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from robosure.entrypoints.stack.output import LineSplitter
from robosure.entrypoints.stack.processes import describe_status
from robosure.entrypoints.stack.stack import Stack
from robosure.entrypoints.stack.state import StackFile, State
from robosure.entrypoints.stack.supervisor import Backoff

CONTENT = StackFile(
    database_port=5001,
    database_password="dpw",
    redis_port=5002,
    redis_password="rpw",
    admin_password="apw",
    signing_key_file="/nowhere/signing-key.pem",
)


def test_each_death_in_a_row_doubles_the_pause_up_to_ten_seconds() -> None:
    backoff = Backoff()
    pauses = [backoff.after(0.1) for _ in range(7)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_long_life_forgives_earlier_deaths() -> None:
    # given a child that died three times
    backoff = Backoff()
    for _ in range(3):
        backoff.after(9.9)
    # when it then lives for ten seconds
    pause = backoff.after(10.0)
    # then it is started again as quickly as the first time, and counted from there
    assert pause == 0.5
    assert backoff.after(0.0) == 1.0


def test_lines_are_given_whole_however_they_arrive() -> None:
    lines = LineSplitter()
    assert lines.feed(b"one\r\ntw") == ["one"]
    assert lines.feed(b"o\n\nthr") == ["two", ""]
    assert lines.finish() == ["thr"]
    assert lines.finish() == []


def test_a_line_without_end_is_not_hoarded() -> None:
    lines = LineSplitter()
    assert lines.feed(b"x" * 70_000) == ["x" * 70_000]
    assert lines.finish() == []


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert LineSplitter().feed(b"\xff\n") == ["\N{REPLACEMENT CHARACTER}"]


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "exit 0"), (3, "exit 3"), (-9, "signal 9, SIGKILL"), (-99, "signal 99")],
)
def test_how_a_process_ended_is_said_in_words(status: int, words: str) -> None:
    assert describe_status(status) == words


def test_processes_are_told_where_the_embedded_servers_are() -> None:
    stack = Stack(State(Path("/nowhere")), environ={"HOME": "/home/ada"})
    assert stack.environment(CONTENT) == {
        "HOME": "/home/ada",
        "DATABASE_URL": "postgresql+asyncpg://robosure:dpw@127.0.0.1:5001/robosure",
        "REDIS_URL": "redis://:rpw@127.0.0.1:5002/0",
        "ENVIRONMENT": "development",
        "PROMETHEUS_MULTIPROC_DIR": "/nowhere/metrics",
        "PYTHONUNBUFFERED": "1",
        "ROBOSURE_ADMIN_EMAIL": "admin@robosure.local",
        "ROBOSURE_ADMIN_PASSWORD": "apw",
        "ROBOSURE_FILES_DIRECTORY": "/nowhere/files",
        "ROBOSURE_LOG_FORMAT": "console",
        "ROBOSURE_MAIL_DIRECTORY": "/nowhere/mail",
        "ROBOSURE_SIGNING_KEY_FILES": "/nowhere/signing-key.pem",
    }


def test_what_the_user_has_set_stands() -> None:
    # given a user with servers and a password of their own
    own = {
        "DATABASE_URL": "postgresql+asyncpg://ada@db/insurance",
        "REDIS_URL": "rediss://cache:6380/3",
        "ROBOSURE_ADMIN_PASSWORD": "analytical",
        "ENVIRONMENT": "production",
    }
    # when the processes' environment is made
    environment = Stack(State(Path("/nowhere")), environ=own).environment(CONTENT)
    # then it holds exactly those
    assert {name: environment[name] for name in own} == own


def test_a_url_given_by_argument_is_before_the_environment() -> None:
    stack = Stack(
        State(Path("/nowhere")),
        environ={"REDIS_URL": "redis://from-environment/0"},
        redis_url="redis://from-argument/0",
    )
    assert stack.environment(CONTENT)["REDIS_URL"] == "redis://from-argument/0"


def test_the_state_directory_is_where_robosure_home_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROBOSURE_HOME", "/srv/robosure")
    assert State().directory == Path("/srv/robosure")
    monkeypatch.delenv("ROBOSURE_HOME")
    assert State().directory == Path.cwd() / ".robosure"
