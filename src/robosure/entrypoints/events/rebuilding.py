"""Projections: rebuilt, or built of a range of time, and followed meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from robosure.entrypoints.client.api import Caller
from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.client.server import Server
from robosure.entrypoints.events.acting import Json, acting, console, print_json

_PAUSE_SECONDS: Final = 0.3
_UNDER_WAY: Final = {"waiting", "running"}


def list_projections(server: Server | None, *, as_json: bool) -> None:
    """Print what can be rebuilt."""
    found: Json = acting(server, lambda caller: caller.get("/projections"))
    if as_json:
        print_json(found)
        return
    table = Table("projection", "holds", "follows from")
    for each in found["items"]:
        holds = each["description"]
        if each["incomplete"]:
            holds += f" [yellow]Only of a range: {each['incomplete']}.[/]"
        table.add_row(each["name"], holds, ", ".join([*each["facts"], *each["events"]]))
    console().print(table)


def rebuild(
    server: Server | None,
    projection: str,
    *,
    since: datetime | None,
    until: datetime | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Have a projection replayed, and with ``follow`` stay until that is done.

    Raises:
        ClientError: the API refuses, or the replay ended without effect.
    """
    document: Json = {"projection": projection}
    if since is not None:
        document["from"] = _utc(since)
    if until is not None:
        document["to"] = _utc(until)

    async def ask(caller: Caller) -> Json:
        replay: Json = await caller.post("/replays", document)
        return await _followed(caller, replay, as_json=as_json) if follow else replay

    replay = acting(server, ask)
    if as_json:
        print_json(replay)
    else:
        console().print(_told(replay))
    if replay["status"] in {"failed", "cancelled"}:
        raise ClientError(f"the replay {replay['status']}: {replay['error'] or ''}")


async def _followed(caller: Caller, replay: Json, *, as_json: bool) -> Json:
    shown = Console(stderr=True, quiet=as_json, highlight=False)
    path = f"/replays/{replay['id']}"
    try:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=shown,
            transient=True,
        ) as progress:
            task = progress.add_task("waiting", total=None)
            while replay["status"] in _UNDER_WAY:
                await asyncio.sleep(_PAUSE_SECONDS)
                replay = await caller.get(path)
                progress.update(
                    task,
                    description=replay["phase"] or replay["status"],
                    completed=replay["done"],
                    total=replay["total"],
                )
    except asyncio.CancelledError:
        shown.print(f"It goes on; see GET {path}, or cancel it with POST {path}/cancel")
        raise
    return replay


def _told(replay: Json) -> str:
    counted = f"{replay['done']:,} facts and events replayed"
    left_out = replay["left_out"]
    if left_out:
        counted += f", {left_out} left out as they are not handled yet"
    match replay["status"]:
        case "done":
            return (
                f"{replay['projection']} is rebuilt: {counted}. What was live before "
                f"is kept in the schema {replay['tables_in']}."
            )
        case "kept":
            rows = ", ".join(f"{name} {n:,}" for name, n in replay["rows"].items())
            return f"{counted}, into the schema {replay['tables_in']}: {rows}."
        case "waiting" | "running":
            return f"The replay {replay['id']} begins within a second."
        case ended:
            return f"The replay {replay['id']} {ended}."


def _utc(moment: datetime) -> Any:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.isoformat()
