"""The command line: ``robosure --help`` lists what a person or a process can start.

Each command imports what it needs when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

app = typer.Typer(
    name="robosure",
    help="Insurance for robot fleets: telemetry, risk, policies, claims, payments.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Contexts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CONTEXT]...",
        help="Only these contexts, such as [bold]policies claims[/]; all by default.",
        show_default=False,
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")]


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """End with one clear line and exit code 1 where the cause is known."""
    from sqlalchemy.exc import OperationalError

    from robosure.entrypoints.stack.errors import StackError
    from robosure.platform.database.migrations import NewerSchemaError

    try:
        yield
    except (StackError, NewerSchemaError, ValueError) as error:
        _end(str(error))
    except (OSError, OperationalError) as error:
        _end(f"a server does not answer: {str(error).splitlines()[0]}")


def _end(reason: str) -> NoReturn:
    one_line = " ".join(reason.split())
    Console(stderr=True, highlight=False).print(
        Text.assemble(("robosure: ", "bold red"), one_line), soft_wrap=True
    )
    raise typer.Exit(1)


@app.command()
def up(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Wipe what an earlier stack kept, first.")
    ] = False,
) -> None:
    """Run everything on this machine: servers, API, workers, jobs.

    PostgreSQL and Redis come along and keep their data in [bold].robosure/[/]
    ([bold]ROBOSURE_HOME[/] says where). With [bold]DATABASE_URL[/] or
    [bold]REDIS_URL[/] set, those servers are used instead. Ctrl-C stops it all.
    """
    from robosure.entrypoints.stack.stack import Stack
    from robosure.entrypoints.stack.state import State
    from robosure.platform.settings import environment

    with _one_line_errors():
        stack = Stack(
            State(), api_host=host, api_port=port, fresh=fresh, environ=environment()
        )
        asyncio.run(stack.run())


@app.command()
def demo(
    *,
    telemetry: Annotated[
        Path | None,
        typer.Option(
            help="A vendor's CSV file to replay; a simulated fleet without one.",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Integration profile that reads it, such as [bold]ur3-cobotops[/].",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(
            help="A running Robosure; by default the stack here, started if need be.",
            show_default=False,
        ),
    ] = None,
    email: Annotated[str, typer.Option(help="Its administrator, with --url.")] = (
        "admin@robosure.local"
    ),
    password: Annotated[
        str | None,
        typer.Option(envvar="ROBOSURE_ADMIN_PASSWORD", help="Theirs, with --url."),
    ] = None,
) -> None:
    """Watch the main job: telemetry, score, price, policy, claim, payout.

    A client of the public HTTP API and nothing else. It makes its own organisations
    and robots, so it may run as often as you like.
    """
    from robosure.entrypoints.demo.client import DemoError
    from robosure.entrypoints.demo.command import Server, run_demo

    server = Server(url, email, password or "") if url else None
    with _one_line_errors():
        try:
            run_demo(
                telemetry=telemetry, profile=profile, as_json=as_json, server=server
            )
        except DemoError as error:
            _end(str(error))


@app.command()
def serve(
    contexts: Contexts = None, *, host: Host = "127.0.0.1", port: Port = 8000
) -> None:
    """Serve the HTTP API."""
    import uvicorn

    from robosure.entrypoints.api import create_app
    from robosure.platform.logging import configure_logging
    from robosure.platform.settings import get_settings

    with _one_line_errors():
        configure_logging(get_settings())
        uvicorn.run(
            create_app(contexts or ()),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
        )


@app.command()
def work(contexts: Contexts = None) -> None:
    """Relay facts, react to them, and take in telemetry."""
    from robosure.entrypoints.worker import work as run
    from robosure.platform.logging import configure_logging
    from robosure.platform.settings import get_settings

    with _one_line_errors():
        settings = get_settings()
        configure_logging(settings)
        asyncio.run(run(settings, contexts or ()))


@app.command()
def jobs(
    *,
    beat: Annotated[
        bool,
        typer.Option("--beat", help="Send scheduled jobs, rather than run them."),
    ] = False,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Worker processes that run jobs.")
    ] = 2,
) -> None:
    """Run background jobs; with [bold]--beat[/], send the scheduled ones."""
    from robosure.entrypoints.jobs import run_beat, run_worker

    with _one_line_errors():
        if beat:
            run_beat()
        else:
            run_worker(concurrency)


@app.command()
def migrate(
    revision: Annotated[
        str, typer.Argument(help="Up to which revision; [bold]head[/] is the newest.")
    ] = "head",
) -> None:
    """Bring the database to this version's schema."""
    from robosure.platform.database.migrations import refuse_newer_schema, upgrade
    from robosure.platform.settings import get_settings

    with _one_line_errors():
        url = get_settings().database_url.get_secret_value()
        asyncio.run(refuse_newer_schema(url))
        upgrade(url, revision)


@app.command()
def seed() -> None:
    """Write what every installation starts with; what is there stays as it is.

    That is the insurer and its administrator ([bold]ROBOSURE_ADMIN_EMAIL[/],
    [bold]ROBOSURE_ADMIN_PASSWORD[/]), the product, and the integration profiles.
    """
    from robosure.entrypoints.seed import seed as run
    from robosure.platform.logging import configure_logging
    from robosure.platform.settings import get_settings

    with _one_line_errors():
        settings = get_settings()
        configure_logging(settings)
        asyncio.run(run(settings))


@app.command()
def openapi(
    file: Annotated[
        Path | None,
        typer.Argument(help="Where to write; standard output by default."),
    ] = None,
) -> None:
    """Write the OpenAPI document."""
    import orjson

    from robosure.entrypoints.api import create_app

    with _one_line_errors():
        content = orjson.dumps(
            create_app().openapi(),
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )
        if file is None:
            sys.stdout.buffer.write(content)
        else:
            file.write_bytes(content)


if __name__ == "__main__":
    app()
