"""The command line: ``robosure --help`` lists what a person or a process can start.

Each command imports what it needs when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from robosure.entrypoints.audit.command import app as audit
from robosure.entrypoints.events.command import app as events
from robosure.entrypoints.terminal import (
    AsJson,
    Email,
    Password,
    Url,
    one_line_database_errors,
    one_line_errors,
)

app = typer.Typer(
    name="robosure",
    help="Insurance for robot fleets: telemetry, risk, policies, claims, payments.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(events)
app.add_typer(audit)

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
ApiKey = Annotated[
    str | None,
    typer.Option(
        envvar="ROBOSURE_API_KEY",
        help="Send as this device, of its robots, rather than of new ones.",
        show_default=False,
    ),
]
Robots = Annotated[int, typer.Option(min=1, help="Robots that send.")]
Batch = Annotated[int, typer.Option(min=1, max=1000, help="Events per request.")]
Connections = Annotated[int, typer.Option(min=1, help="Requests at a time.")]
Joints = Annotated[int, typer.Option(help="Of each robot: 0 or 6.")]
Seed = Annotated[int, typer.Option(help="The same gives the same telemetry.")]


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

    with one_line_errors():
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
    as_json: AsJson = False,
    url: Annotated[
        str | None,
        typer.Option(
            help="A running Robosure; by default the stack here, started if need be.",
            show_default=False,
        ),
    ] = None,
    email: Email = "admin@robosure.local",
    password: Password = None,
) -> None:
    """Watch the main job: telemetry, score, price, policy, claim, payout.

    A client of the public HTTP API and nothing else. It makes its own organisations
    and robots, so it may run as often as you like.
    """
    from robosure.entrypoints.client.server import Server
    from robosure.entrypoints.demo.command import run_demo

    server = Server(url, email, password or "") if url else None
    with one_line_errors():
        run_demo(telemetry=telemetry, profile=profile, as_json=as_json, server=server)


@app.command()
def produce(
    *,
    count: Annotated[int, typer.Option(min=1, help="Valid events to send.")] = 10_000,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="Events per second; as fast as taken by default."),
    ] = None,
    robots: Robots = 10,
    batch: Batch = 100,
    connections: Connections = 4,
    joints: Joints = 6,
    seed: Seed = 0,
    duplicates: Annotated[
        float, typer.Option(min=0, max=100, help="Percent sent twice.")
    ] = 0.0,
    out_of_order: Annotated[
        float, typer.Option(min=0, max=100, help="Percent sent late.")
    ] = 0.0,
    malformed: Annotated[
        float, typer.Option(min=0, max=100, help="Percent to be refused, on top.")
    ] = 0.0,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
    email: Email = "admin@robosure.local",
    password: Password = None,
) -> None:
    """Send telemetry as robots would, and see what became of it.

    Registers robots of its own, unless an API key brings some. Waits where the server
    asks for it, and ends with 1 if an event that was accepted has no effect.
    """
    from robosure.entrypoints.load.fleet import Source
    from robosure.entrypoints.load.produce import Production, run_produce
    from robosure.entrypoints.load.telemetry import Faults

    with one_line_errors():
        faults = Faults(duplicates, out_of_order, malformed)
        run_produce(
            Production(count, rate, robots, batch, connections, joints, seed, faults),
            Source.chosen(url, email, password, api_key),
            as_json=as_json,
        )


@app.command()
def loadtest(
    *,
    events: Annotated[
        int | None,
        typer.Option(min=1, help="Events to offer; or --duration.", show_default=False),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.001, help="Events per second, whatever is answered.")
    ] = 1000.0,
    duration: Annotated[
        float | None,
        typer.Option(min=0.001, help="Seconds of that rate.", show_default=False),
    ] = None,
    batch: Batch = 100,
    connections: Connections = 64,
    robots: Robots = 100,
    joints: Joints = 6,
    seed: Seed = 0,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds until a request has failed.")
    ] = 30.0,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Write the figures there; - prints nothing else.",
            show_default=False,
        ),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    email: Email = "admin@robosure.local",
    password: Password = None,
) -> None:
    """Offer load at a fixed rate, and measure what its clients feel.

    The schedule does not wait for the server: a latency counts from when a request was
    due. Also shows how long accepted events take to have their effect.
    """
    from robosure.entrypoints.load.fleet import Source
    from robosure.entrypoints.load.loadtest import LoadPlan, events_for, run_loadtest

    with one_line_errors():
        number = events_for(events, rate, duration)
        run_loadtest(
            LoadPlan(number, rate, batch, connections, robots, joints, seed, timeout),
            Source.chosen(url, email, password, api_key),
            json_file=json_file,
        )


@app.command()
def monitor(
    *,
    interval: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two readings.")
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Show one interval, and end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per interval.")
    ] = False,
    url: Url = None,
) -> None:
    """Watch rates, lag, latency, workers, dead letters and HTTP, live.

    Reads [bold]/metrics[/] and [bold]/ready[/], and goes on when the API comes back.
    """
    from robosure.entrypoints.monitor.command import Look, run_monitor

    with one_line_errors():
        run_monitor(url, Look(interval, once=once, as_json=as_json))


@app.command()
def serve(
    contexts: Contexts = None, *, host: Host = "127.0.0.1", port: Port = 8000
) -> None:
    """Serve the HTTP API; over TLS with a certificate and its key.

    Those are [bold]ROBOSURE_TLS_CERTIFICATE_FILE[/] and [bold]ROBOSURE_TLS_KEY_FILE[/];
    in production without them, [bold]ROBOSURE_TLS_ENDS_AT_PROXY[/] must say that a
    proxy does it.
    """
    import uvicorn

    from robosure.entrypoints.api import create_app
    from robosure.platform.http.answering import AnsweringProtocol
    from robosure.platform.logging import configure_logging
    from robosure.platform.needs import Process
    from robosure.platform.settings import get_settings
    from robosure.platform.tls.server import certificate_of

    with one_line_database_errors():
        settings = get_settings(Process.API)
        configure_logging(settings)
        certificate = certificate_of(settings)
        uvicorn.run(
            create_app(contexts or (), settings=settings),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            # Whom to believe about addresses, `platform.http.address` decides.
            proxy_headers=False,
            server_header=False,
            http=AnsweringProtocol,
            timeout_graceful_shutdown=10,
            ssl_context_factory=None if certificate is None else certificate.context,
        )


@app.command()
def doctor(
    *,
    url: Annotated[
        str,
        typer.Option(help="The deployment, as its clients reach it: https://..."),
    ],
    ca_file: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of the authorities to trust instead of those that everybody "
            "does: for a deployment within one's own network.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    http_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where plain HTTP would be served.")
    ] = 80,
    as_json: AsJson = False,
) -> None:
    """Check from outside how a deployment protects who connects to it.

    Which TLS and suites it takes, whether clients trust its certificate and for how
    long, whether it keeps browsers to TLS, and what it answers in the clear. Ends with
    1 if something is wrong.
    """
    from robosure.entrypoints.doctor.command import run_doctor

    with one_line_errors():
        run_doctor(url, ca_file=ca_file, http_port=http_port, as_json=as_json)


@app.command()
def work(contexts: Contexts = None) -> None:
    """Relay facts, react to them, and take in telemetry."""
    import uvloop

    from robosure.entrypoints.worker import work as run
    from robosure.platform.logging import configure_logging
    from robosure.platform.needs import Process
    from robosure.platform.settings import get_settings

    with one_line_database_errors():
        settings = get_settings(Process.WORKER)
        configure_logging(settings)
        uvloop.run(run(settings, contexts or ()))


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

    with one_line_database_errors():
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
    from robosure.platform.needs import Process
    from robosure.platform.settings import get_settings

    with one_line_database_errors():
        url = get_settings(Process.MIGRATE).owner_database_url
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
    from robosure.platform.needs import Process
    from robosure.platform.settings import get_settings

    with one_line_database_errors():
        settings = get_settings(Process.SEED)
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
    from robosure.entrypoints.api import create_app

    with one_line_errors():
        _write(create_app().openapi(), file)


@app.command()
def asyncapi(
    file: Annotated[
        Path | None,
        typer.Argument(help="Where to write; standard output by default."),
    ] = None,
) -> None:
    """Write the AsyncAPI document: events, who sends and who hears them."""
    from robosure.entrypoints.api import create_app

    with one_line_errors():
        _write(create_app().state.asyncapi(), file)


def _write(document: Any, file: Path | None) -> None:
    import orjson

    content = orjson.dumps(
        document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
    if file is None:
        sys.stdout.buffer.write(content)
    else:
        file.write_bytes(content)


if __name__ == "__main__":
    app()
