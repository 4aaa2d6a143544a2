"""Starts the servers once for the whole run, unless only unit tests were asked for.

Whole stacks, which the tests in ``e2e`` start, run one after the other. Several at once
would wait for each other, and the recovery that is measured would be nobody's.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# How long an example takes is the machine's business.
settings.register_profile("robosure", deadline=None)
settings.load_profile("robosure")

_UNIT = Path(__file__).parent / "unit"
_servers = pytest.StashKey[ExitStack]()


class _OneStackAtATime(LoadScopeScheduling):  # type: ignore[misc]  # has no types
    """Gives whole modules to workers, and all of ``e2e`` to one."""

    def _split_scope(self, nodeid: str) -> str:
        whole = nodeid.startswith("tests/e2e/")
        return "tests/e2e" if whole else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Any
) -> LoadScopeScheduling | None:
    """Replace ``--dist=loadscope``, and leave any other that was asked for."""
    asked = config.getvalue("dist") == "loadscope"
    return _OneStackAtATime(config, log) if asked else None


def pytest_configure(config: pytest.Config) -> None:
    """Bring the application's fixtures, unless only unit tests were asked for."""
    if not _unit_only(config):
        config.pluginmanager.import_plugin("tests.fixtures")


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
