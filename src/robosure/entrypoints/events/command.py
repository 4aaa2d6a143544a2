"""``robosure events``: the commands, and what they take."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from robosure.entrypoints.terminal import (
    AsJson,
    Email,
    Password,
    Url,
    one_line_errors,
)

if TYPE_CHECKING:
    from robosure.entrypoints.client.server import Server

app = typer.Typer(
    name="events",
    help="See what became of events: what failed, why, and do something about it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

_ADMIN = "admin@robosure.local"
_FORMS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
Id = Annotated[str, typer.Argument(metavar="ID", help="Of the dead letter.")]
Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Of dead letters.", show_default=False),
]
Consumer = Annotated[
    str | None,
    typer.Option(help="Those that it could not handle.", show_default=False),
]
Type = Annotated[
    str | None, typer.Option("--type", help="Of that type.", show_default=False)
]
Digest = Annotated[
    str | None,
    typer.Option(help="Those that failed at the same place.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="All open ones.")]


def _server(url: str | None, email: str, password: str | None) -> Server | None:
    from robosure.entrypoints.client.server import Server

    return Server(url, email, password or "") if url else None


@app.command()
def failed(
    *,
    consumer: Consumer = None,
    type_: Type = None,
    digest: Digest = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="[bold]waiting[/], [bold]retrying[/], [bold]replaying[/], "
            "[bold]replayed[/] or [bold]discarded[/]; open ones by default.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    kinds: Annotated[
        bool, typer.Option("--kinds", help="Count open ones by what went wrong.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    email: Email = _ADMIN,
    password: Password = None,
) -> None:
    """List events that could not be handled: dead letters."""
    from robosure.entrypoints.events import letters

    with one_line_errors():
        server = _server(url, email, password)
        if kinds:
            letters.count_kinds(server, as_json=as_json)
        else:
            chosen = letters.Selection((), consumer, type_, digest)
            letters.list_failed(
                server, chosen, status=status, limit=limit, as_json=as_json
            )


@app.command()
def show(
    letter_id: Id,
    *,
    as_json: AsJson = False,
    url: Url = None,
    email: Email = _ADMIN,
    password: Password = None,
) -> None:
    """Show a dead letter, and all it says."""
    from robosure.entrypoints.events import letters

    with one_line_errors():
        letters.show(_server(url, email, password), letter_id, as_json=as_json)


@app.command()
def edit(
    letter_id: Id,
    *,
    file: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FILE",
            help="What it is to say, as JSON; - is standard input. Opens your "
            "[bold]$EDITOR[/] by default.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
    email: Email = _ADMIN,
    password: Password = None,
) -> None:
    """Correct what an event says; which event it is stays."""
    from robosure.entrypoints.events import letters

    with one_line_errors():
        letters.edit(
            _server(url, email, password), letter_id, file=file, as_json=as_json
        )


@app.command()
def replay(
    ids: Ids = None,
    *,
    consumer: Consumer = None,
    type_: Type = None,
    digest: Digest = None,
    everything: All = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Say how each ended; 1 if any failed again.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    email: Email = _ADMIN,
    password: Password = None,
) -> None:
    """Have dead letters handled again."""
    from robosure.entrypoints.events import letters

    with one_line_errors():
        chosen = letters.Selection(ids or (), consumer, type_, digest, everything)
        server = _server(url, email, password)
        letters.replay(server, chosen, wait=wait, as_json=as_json)


@app.command()
def discard(
    ids: Ids = None,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with them.")],
    consumer: Consumer = None,
    type_: Type = None,
    digest: Digest = None,
    everything: All = False,
    as_json: AsJson = False,
    url: Url = None,
    email: Email = _ADMIN,
    password: Password = None,
) -> None:
    """Give dead letters up, for a reason."""
    from robosure.entrypoints.events import letters

    with one_line_errors():
        chosen = letters.Selection(ids or (), consumer, type_, digest, everything)
        server = _server(url, email, password)
        letters.discard(server, chosen, reason=reason, as_json=as_json)


@app.command()
def rebuild(
    projection: Annotated[
        str | None,
        typer.Argument(help="Which; lists them by default.", show_default=False),
    ] = None,
    *,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=_FORMS,
            help="Only what happened since (UTC); for looking at, never live.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--to", formats=_FORMS, help="And before then.", show_default=False
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Stay, with progress, until it is done.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    email: Email = _ADMIN,
    password: Password = None,
) -> None:
    """Build a projection anew from facts and events, beside live traffic.

    Without a range, the new tables replace the live ones once they hold all that these
    hold; the replaced ones are kept for a week.
    """
    from robosure.entrypoints.events import rebuilding

    with one_line_errors():
        server = _server(url, email, password)
        if projection is None:
            rebuilding.list_projections(server, as_json=as_json)
        else:
            rebuilding.rebuild(
                server,
                projection,
                since=since,
                until=until,
                follow=follow,
                as_json=as_json,
            )


@app.command()
def types(
    name: Annotated[
        str | None,
        typer.Argument(help="Which to show; lists them by default."),
    ] = None,
    *,
    as_json: AsJson = False,
    url: Url = None,
    email: Email = _ADMIN,
    password: Password = None,
) -> None:
    """Show the types of events that may be sent, and those that contexts tell."""
    from robosure.entrypoints.events import looking

    with one_line_errors():
        server = _server(url, email, password)
        if name is None:
            looking.list_types(server, as_json=as_json)
        else:
            looking.show_type(server, name, as_json=as_json)


@app.command()
def trace(
    uid: Annotated[str, typer.Argument(metavar="UID", help="Of the event.")],
    *,
    as_json: AsJson = False,
    url: Url = None,
    email: Email = _ADMIN,
    password: Password = None,
) -> None:
    """Show the way of an event, from its receipt to its effects."""
    from robosure.entrypoints.events import looking

    with one_line_errors():
        looking.trace(_server(url, email, password), uid, as_json=as_json)
