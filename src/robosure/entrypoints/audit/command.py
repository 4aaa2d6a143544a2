"""``robosure audit``: the commands, and what they take."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from robosure.entrypoints.terminal import AsJson, one_line_database_errors

app = typer.Typer(
    name="audit",
    help="Prove that the audit trail is what was written, and nothing else.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.callback()
def _group() -> None:
    """Keep ``verify`` a command of its own, though it is the only one."""


@app.command()
def verify(
    *,
    organisation: Annotated[
        UUID | None,
        typer.Option(
            metavar="ID",
            help="Only the chain of this organisation; the nil UUID is the platform's.",
            show_default=False,
        ),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HASH",
            help="A head that was printed before; it must still be in a chain. May be "
            "given several times.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make every hash anew; exit with 1 and the first broken entry, if there is one.

    Reads [bold]DATABASE_URL[/], as a role that sees all entries. Keep the heads that it
    prints elsewhere: with [bold]--expect[/] they prove later that nothing up to them
    was rewritten or cut off.
    """
    from robosure.entrypoints.audit.verifying import run_verify

    with one_line_database_errors():
        run_verify(organisation, expect or (), as_json=as_json)
