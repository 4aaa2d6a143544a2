"""The command line: what it says of itself, and how it ends when it cannot go on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from robosure.entrypoints import cli, seed
from robosure.entrypoints.cli import app
from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.client.server import Server
from robosure.entrypoints.demo import command
from robosure.entrypoints.stack.errors import StackError
from robosure.platform.database import migrations
from robosure.platform.database.migrations import NewerSchemaError
from robosure.platform.settings import get_settings

COMMANDS = {
    "up": "Run everything on this machine",
    "demo": "Watch the main job",
    "produce": "Send telemetry as robots would",
    "loadtest": "Offer load at a fixed rate",
    "monitor": "Watch rates, lag, latency, workers, dead letters and HTTP",
    "serve": "Serve the HTTP API",
    "work": "Relay facts, react to them, and take in telemetry",
    "jobs": "Run background jobs",
    "migrate": "Bring the database to this version's schema",
    "seed": "Write what every installation starts with",
    "openapi": "Write the OpenAPI document",
}
OPTIONS = {
    "up": ["--host", "--port", "--fresh"],
    "demo": ["--telemetry", "--profile", "--json", "--url", "--email", "--password"],
    "produce": [
        *("--count", "--rate", "--robots", "--batch", "--connections", "--joints"),
        *("--seed", "--duplicates", "--out-of-order", "--malformed", "--json"),
        *("--url", "--api-key", "--email", "--password"),
    ],
    "loadtest": [
        *("--events", "--rate", "--duration", "--batch", "--connections", "--robots"),
        *("--joints", "--seed", "--timeout", "--json"),
        *("--url", "--api-key", "--email", "--password"),
    ],
    "monitor": ["--interval", "--once", "--json", "--url"],
    "serve": ["[CONTEXT]...", "--host", "--port"],
    "work": ["[CONTEXT]..."],
    "jobs": ["--beat", "--concurrency"],
    "migrate": ["revision"],
    "seed": ["ROBOSURE_ADMIN_EMAIL"],
    "openapi": ["file"],
}

runner = CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"})


@pytest.fixture(autouse=True)
def _settings_of_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """No settings of the machine the tests run on, and none left behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBOSURE_HOME", str(tmp_path / "home"))
    for name in ("DATABASE_URL", "REDIS_URL", "ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def refused(*arguments: str) -> str:
    """Run a command that is to fail, and return the one line it says."""
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    line, *more = result.stderr.splitlines()
    assert more == []
    return line


def test_without_a_command_it_says_what_there_is() -> None:
    result = runner.invoke(app, [])
    assert result.exit_code == 2
    assert "Insurance for robot fleets" in result.output
    for name in COMMANDS:
        assert f" {name} " in result.output


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_it_does_and_takes(name: str, flag: str) -> None:
    result = runner.invoke(app, [name, flag])
    assert result.exit_code == 0
    assert COMMANDS[name] in result.output
    for option in OPTIONS[name]:
        assert option in result.output


def test_help_is_quick_since_it_imports_no_product() -> None:
    groups = ("audit", "audit.command", "events", "events.command")
    commands = ("cli", *groups, "terminal")
    known = {
        "robosure",
        "robosure.entrypoints",
        *(f"robosure.entrypoints.{name}" for name in commands),
    }
    code = (
        "import sys; from robosure.entrypoints.cli import app\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] == 'robosure'))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(json.loads(shown.stdout.replace("'", '"'))) == known


@pytest.mark.parametrize(
    "arguments",
    [
        *(["produce"], ["loadtest", "--events", "1"], ["monitor", "--once"]),
        *(["events", "failed"], ["doctor", "--url", "http://127.0.0.1:1"]),
    ],
    ids=" ".join,
)
def test_a_client_starts_without_what_servers_are_made_of(arguments: list[str]) -> None:
    code = (
        "import sys; from robosure.entrypoints.cli import app\n"
        "try: app()\n"
        "except SystemExit: print({'sqlalchemy', 'fastapi'} & set(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.splitlines()[-1] == "set()"


def test_an_unknown_context_ends_with_one_line() -> None:
    for name in ("serve", "work"):
        line = refused(name, "warehouses")
        assert line.startswith("robosure: no such context: warehouses (there are ")


def test_a_profile_without_a_file_ends_with_one_line() -> None:
    assert refused("demo", "--profile", "ur3-cobotops", "--json") == (
        "robosure: --profile says how to read --telemetry FILE; name a file"
    )


def test_a_file_without_a_profile_ends_with_one_line(tmp_path: Path) -> None:
    assert refused("demo", "--telemetry", str(tmp_path / "some.csv"), "--json") == (
        "robosure: --telemetry needs --profile, such as ur3-cobotops"
    )


def test_a_missing_file_ends_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    assert refused("demo", "--telemetry", str(path), "--profile", "p", "--json") == (
        f"robosure: cannot read {path}: No such file or directory"
    )


def test_a_demo_that_cannot_go_on_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(**_: object) -> None:
        raise ClientError("POST /quotes answered 500:\n  it broke")

    monkeypatch.setattr(command, "run_demo", fail)
    assert refused("demo", "--json") == (
        "robosure: POST /quotes answered 500: it broke"
    )


def test_the_demo_goes_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a server of somebody else, and its administrator
    asked: dict[str, object] = {}
    monkeypatch.setattr(command, "run_demo", lambda **given: asked.update(given))
    arguments = ["--url", "http://there", "--email", "ada@there", "--password", "pw"]
    # when the demo is run against it
    assert runner.invoke(app, ["demo", *arguments]).exit_code == 0
    # then that is where it goes
    assert asked == {
        "telemetry": None,
        "profile": None,
        "as_json": False,
        "server": Server("http://there", "ada@there", "pw"),
    }


@pytest.mark.parametrize("name", ["produce", "loadtest", "monitor"])
def test_a_tool_without_a_server_ends_with_one_line(name: str, tmp_path: Path) -> None:
    arguments = ["--duration", "1"] if name == "loadtest" else []
    assert refused(name, *arguments) == (
        f"robosure: no stack runs on {tmp_path}/home: start one with `robosure up`, "
        "or name a server with --url"
    )


@pytest.mark.parametrize("name", ["produce", "loadtest", "monitor"])
def test_a_tool_whose_server_does_not_answer_ends_with_one_line(name: str) -> None:
    arguments = {
        "produce": ["--password", "pw"],
        "loadtest": ["--duration", "1", "--api-key", "k", "--json", "-"],
        "monitor": ["--once"],
    }[name]
    if name == "produce":
        arguments.append("--json")
    line = refused(name, "--url", "http://127.0.0.1:1", *arguments)
    assert line.startswith("robosure: http://127.0.0.1:1 does not answer: ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["produce", "--joints", "3"], "--joints is one of 0, 6"),
        (["loadtest"], "say either --events or --duration"),
        (
            ["produce", "--url", "http://there"],
            "--url needs --password of its administrator, or --api-key of a device",
        ),
    ],
    ids=" ".join,
)
def test_what_a_tool_cannot_do_ends_with_one_line(
    arguments: list[str], line: str
) -> None:
    assert refused(*arguments) == f"robosure: {line}"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ClientError("there is nobody"), "there is nobody"),
        (StackError("port 1 is taken"), "port 1 is taken"),
        (NewerSchemaError("at revision zz"), "at revision zz"),
        (ConnectionRefusedError("refused"), "a server does not answer: refused"),
        (
            OperationalError("SELECT 1", {}, OSError("no route\nto it")),
            "a server does not answer: (builtins.OSError) no route",
        ),
    ],
    ids=str,
)
def test_trouble_that_is_known_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    async def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(migrations, "refuse_newer_schema", fail)
    assert refused("migrate") == f"robosure: {line}"


def test_trouble_that_is_not_known_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(seed, "seed", fail)
    result = runner.invoke(app, ["seed"])
    assert isinstance(result.exception, KeyError)


def test_a_bad_setting_ends_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    for name in ("migrate", "seed", "serve", "openapi"):
        assert "LOG_LEVEL" in refused(name), name


def test_migrating_checks_first_and_then_upgrades(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[tuple[str, ...]] = []

    async def check(url: str) -> None:
        done.append(("check", url))

    def upgrade(url: str, revision: str) -> None:
        done.append(("upgrade", url, revision))

    monkeypatch.setattr(migrations, "refuse_newer_schema", check)
    monkeypatch.setattr(migrations, "upgrade", upgrade)
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://ada@there/db")
    assert runner.invoke(app, ["migrate", "0001"]).exit_code == 0
    url = "postgresql+asyncpg://ada@there/db"
    assert done == [("check", url), ("upgrade", url, "0001")]


def test_a_file_that_cannot_be_written_ends_with_one_line(tmp_path: Path) -> None:
    line = refused("openapi", str(tmp_path / "none" / "openapi.json"))
    assert line.endswith(f"No such file or directory: '{tmp_path}/none/openapi.json'")


def test_the_module_runs_the_command_line() -> None:
    assert cli.app is app
