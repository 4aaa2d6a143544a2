"""What commands have in common: options, and how they end when they cannot go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

Url = Annotated[
    str | None,
    typer.Option(
        help="A running Robosure; by default the stack here.", show_default=False
    ),
]
Email = Annotated[str, typer.Option(help="Its administrator, with --url.")]
Password = Annotated[
    str | None,
    typer.Option(envvar="ROBOSURE_ADMIN_PASSWORD", help="Theirs, with --url."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object and nothing else.")
]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End with one clear line and exit code 1 where the cause is known."""
    from robosure.entrypoints.client.errors import ClientError
    from robosure.entrypoints.stack.errors import StackError

    try:
        yield
    except (ClientError, StackError, ValueError) as error:
        _end(str(error))
    except OSError as error:
        _end_unanswered(error)


@contextmanager
def one_line_database_errors() -> Iterator[None]:
    """Do so, of a command that is at the database itself; clients start without it."""
    from sqlalchemy.exc import OperationalError

    from robosure.platform.database.migrations import NewerSchemaError

    with one_line_errors():
        try:
            yield
        except NewerSchemaError as error:
            _end(str(error))
        except OperationalError as error:
            _end_unanswered(error)


def _end_unanswered(error: Exception) -> NoReturn:
    _end(f"a server does not answer: {str(error).splitlines()[0]}")


def _end(reason: str) -> NoReturn:
    one_line = " ".join(reason.split())
    Console(stderr=True, highlight=False).print(
        Text.assemble(("robosure: ", "bold red"), one_line), soft_wrap=True
    )
    raise typer.Exit(1)
