"""``robosure demo``: find or start a stack, take the journey, report."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.client.progress import LiveView, Silence, Watcher
from robosure.entrypoints.client.server import Server
from robosure.entrypoints.demo.journey import Journey
from robosure.entrypoints.demo.sources import SimulatedFleet, Source, VendorFile
from robosure.entrypoints.demo.view import summary
from robosure.entrypoints.stack.stack import Stack
from robosure.entrypoints.stack.state import Running, State
from robosure.platform.settings import environment


def run_demo(
    *,
    telemetry: Path | None,
    profile: str | None,
    as_json: bool,
    server: Server | None,
) -> None:
    """Run the demo and print its report.

    Args:
        telemetry: a vendor's CSV file; a simulated fleet without one.
        profile: name of the integration profile that reads it.
        as_json: print one JSON object on stdout and nothing else.
        server: where to; without one, the stack that runs here, or a new one.

    Raises:
        ClientError: a step could not be taken.
        StackError: no stack could be started.
    """
    source = _source(telemetry, profile)
    if as_json:
        report = asyncio.run(_somewhere(source, Silence(), server))
        sys.stdout.buffer.write(orjson.dumps(report) + b"\n")
        return
    console = Console()
    with LiveView(console) as view:
        report = asyncio.run(_somewhere(source, view, server))
    console.print(summary(report))


def _source(telemetry: Path | None, profile: str | None) -> Source:
    if telemetry is None:
        if profile is not None:
            raise ClientError(
                "--profile says how to read --telemetry FILE; name a file"
            )
        return SimulatedFleet()
    if profile is None:
        raise ClientError("--telemetry needs --profile, such as ur3-cobotops")
    return VendorFile(telemetry, profile)


async def _somewhere(
    source: Source, watcher: Watcher, server: Server | None
) -> dict[str, Any]:
    """Go to the server that is named, the stack that runs, or a stack of our own."""
    state = State()
    running = state.running()
    if server is None and running is not None:
        server = Server.of(running)
    if server is not None:
        return await _journey(source, watcher, server)

    async def visit(started: Running) -> dict[str, Any]:
        watcher.finish(f"{started.api_url}, logs in {state.logs}")
        return await _journey(source, watcher, Server.of(started))

    watcher.begin("Starting PostgreSQL, Redis, API, workers and jobs")
    stack = Stack(state, api_port=0, console=Console(quiet=True), environ=environment())
    report = await stack.run_while(visit)
    if report is None:
        raise ClientError("stopped before the end")
    return report


async def _journey(source: Source, watcher: Watcher, server: Server) -> dict[str, Any]:
    async with server.api() as api:
        journey = Journey(api, source, watcher, server.email, server.password)
        return await journey.run()
