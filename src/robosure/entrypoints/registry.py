"""The contexts, in one tuple: a new service is a folder and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Final

from sqlalchemy import MetaData

from robosure.platform.context import Context
from robosure.platform.database import metadata

NAMES: Final = (
    "identity",
    "catalog",
    "robots",
    "eventflow",
    "risk",
    "policies",
    "claims",
    "payments",
    "notifications",
)


def load(names: Sequence[str] = ()) -> tuple[Context, ...]:
    """Return the named contexts, or all of them.

    Raises:
        ValueError: a name is none of the contexts'.
    """
    if unknown := sorted(set(names) - set(NAMES)):
        message = (
            f"no such context: {', '.join(unknown)} (there are {', '.join(NAMES)})"
        )
        raise ValueError(message)
    chosen = [name for name in NAMES if not names or name in names]
    return tuple(_context(name) for name in chosen)


def _context(name: str) -> Context:
    context: Context = import_module(f"robosure.contexts.{name}").context
    return context


def load_metadata() -> MetaData:
    """Import every module that declares tables, and return them all."""
    for module in _PLATFORM_TABLES:
        import_module(f"robosure.platform.{module}")
    for name in NAMES:
        import_module(f"robosure.contexts.{name}.tables")
    return metadata


_PLATFORM_TABLES: Final = (
    "audit",
    "database.numbers",
    "http.idempotency",
    "outbox",
    "streams.inbox",
)
