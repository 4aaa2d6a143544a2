"""Starts the servers once for the whole run, unless only unit tests were asked for."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog

_UNIT = Path(__file__).parent / "unit"
_servers = pytest.StashKey[ExitStack]()


def pytest_sessionstart(session: pytest.Session) -> None:
    _log_plainly()
    config = session.config
    if (
        hasattr(config, "workerinput")
        or config.option.collectonly
        or _unit_only(config)
    ):
        return
    from tests import servers

    stack = ExitStack()
    config.stash[_servers] = stack
    servers.start(stack)


def pytest_sessionfinish(session: pytest.Session) -> None:
    stack = session.config.stash.get(_servers, None)
    if stack is not None:
        stack.close()


def _log_plainly() -> None:
    """Log what the product logs, but leave tracebacks as Python writes them.

    What structlog makes of them by itself, with every variable, takes seconds each.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ]
    )


def _unit_only(config: pytest.Config) -> bool:
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return bool(asked) and all(path.is_relative_to(_UNIT) for path in asked)
