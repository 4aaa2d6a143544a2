"""Starts the servers once for the whole run, unless only unit tests were asked for.

Whole stacks, which the tests in ``e2e`` start, run one after the other. Several at once
would wait for each other, and the recovery that is measured would be nobody's.

Coverage is measured where it is asked for, for measuring makes a test take three times
as long: see ``docs/testing.md``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from coverage import Coverage
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# How long an example takes is the machine's business.
settings.register_profile("robosure", deadline=None)
settings.load_profile("robosure")

_TESTS = Path(__file__).parent
_UNIT = _TESTS / "unit"
_MEASURED: Final = (
    _UNIT,
    _TESTS / "integration" / "contexts",
    _TESTS / "integration" / "entrypoints",
    _TESTS / "integration" / "platform",
)
"""Whose tests count for coverage. The others sweep over all there is, by every route or
as whole stacks: what they prove is no line's having run."""
_MEASURES_PROCESSES: Final = "COVERAGE_PROCESS_CONFIG"
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
    if _hands_out_only(config):
        _stop_measuring()
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test, its fixtures included, without measuring it if it does not count."""
    if any(item.path.is_relative_to(folder) for folder in _MEASURED):
        return (yield)
    with _unmeasured():
        return (yield)


@contextmanager
def _unmeasured() -> Iterator[None]:
    """Measure no coverage: neither here nor in processes that are started."""
    processes = os.environ.pop(_MEASURES_PROCESSES, None)
    stopped = _stop_measuring()
    try:
        yield
    finally:
        for measuring in reversed(stopped):
            measuring.start()
        if processes is not None:
            os.environ[_MEASURES_PROCESSES] = processes


def _stop_measuring() -> list[Coverage]:
    """Stop what measures: in a worker one was started upon another."""
    stopped: list[Coverage] = []
    while (measuring := Coverage.current()) is not None:
        measuring.stop()
        stopped.append(measuring)
    return stopped


def _hands_out_only(config: pytest.Config) -> bool:
    """Whether the tests run in other processes, so that this one covers nothing."""
    return not hasattr(config, "workerinput") and bool(config.getoption("tx"))


def _log_plainly() -> None:
    """Log what the product logs, but leave tracebacks as Python writes them.

    What structlog makes of them by itself, with every variable, takes seconds each.
    """

    def told(*line: Any) -> Any:
        from robosure.platform import correlation

        return correlation.told(*line)

    structlog.configure(
        processors=[
            told,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ]
    )


def _unit_only(config: pytest.Config) -> bool:
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return bool(asked) and all(path.is_relative_to(_UNIT) for path in asked)
