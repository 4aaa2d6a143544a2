"""The logging pipeline: JSON lines, the ids of what is going on, and names."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID

import orjson
import pytest
import structlog

from robosure.platform.correlation import Correlation, act_for, correlated
from robosure.platform.logging import (
    DomainLogger,
    LoggerMixin,
    configure_logging,
    get_logger,
)
from robosure.platform.settings import Settings


@pytest.fixture(autouse=True)
def output() -> Iterator[StringIO]:
    """Log as production does, and give the test run its logging back."""
    root = logging.getLogger()
    handlers, level, kept = root.handlers[:], root.level, structlog.get_config()
    stream = configured(log_format="json")
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.configure(**kept)


def configured(**settings: Any) -> StringIO:
    """Configure logging, and return what it then writes to."""
    configure_logging(Settings(_env_file=None, **settings))
    structlog.configure(cache_logger_on_first_use=False)
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    stream = StringIO()
    handler.setStream(stream)
    return stream


def lines(output: StringIO) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in output.getvalue().splitlines()]


def fail() -> None:
    message = "cannot reach redis://:canary@cache:6379 with " + "token=" + "canary"
    raise ConnectionError(message)


def test_a_line_is_json_with_its_level_time_and_logger(
    output: StringIO,
) -> None:
    get_logger("here").info("a.b.c_completed", number=7)
    (line,) = lines(output)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "a.b.c_completed",
        "level": "info",
        "logger": "here",
        "number": 7,
    }


def test_without_a_name_a_logger_is_named_after_its_module(
    output: StringIO,
) -> None:
    get_logger().info("x")
    assert lines(output)[0]["logger"] == __name__


def test_the_standard_librarys_logging_takes_the_same_way(
    output: StringIO,
) -> None:
    logging.getLogger("some.library").warning("password=%s", "canary", extra={"n": 1})
    (line,) = lines(output)
    assert line["event"] == "password=***"
    assert (line["logger"], line["level"], line["n"]) == ("some.library", "warning", 1)


def test_a_line_break_in_what_is_logged_makes_no_line(output: StringIO) -> None:
    forged = 'x"}\n{"event": "platform.security.forged", "level": "info"}\r\n'
    get_logger("t").info("first", reason=forged)
    logging.getLogger("some.library").warning("second %s", forged)
    first, second = lines(output)
    assert first["reason"] == forged
    assert second["event"] == f"second {forged}"


def test_what_is_below_the_level_is_not_written(
    output: StringIO,
) -> None:
    get_logger().debug("quiet")
    assert lines(output) == []


@pytest.mark.parametrize("through", ["structlog", "logging"])
def test_a_traceback_holds_no_secret(output: StringIO, through: str) -> None:
    try:
        fail()
    except ConnectionError:
        if through == "structlog":
            get_logger().exception("failed")
        else:
            logging.getLogger("some.library").exception("failed")
    text = output.getvalue()
    assert "ConnectionError" in text
    assert "Traceback" in text
    assert "canary@" not in text
    assert "token=canary" not in text.replace('with token=canary\\"', "")


def test_lines_carry_the_ids_of_what_is_going_on(
    output: StringIO,
) -> None:
    # when something is done for someone, in the course of something
    with correlated(Correlation("req-1", UUID(int=5), UUID(int=6))):
        get_logger("t").info("within")
    get_logger("t").info("after")
    # then
    within, after = lines(output)
    assert within["correlation_id"] == "req-1"
    assert within["causation_id"] == str(UUID(int=5))
    assert within["actor"] == str(UUID(int=6))
    assert not {"correlation_id", "causation_id", "actor"} & set(after)


def test_who_acts_in_one_request_is_not_named_in_the_next(
    output: StringIO,
) -> None:
    with correlated(Correlation("req-1")):
        act_for(UUID(int=6))
        get_logger("t").info("first")
    with correlated(Correlation("req-2")):
        get_logger("t").info("second")
    first, second = lines(output)
    assert first["actor"] == str(UUID(int=6))
    assert "actor" not in second


def test_people_get_columns() -> None:
    output = configured(log_format="console")
    get_logger("t").info("a.b.c_completed", password="canary", number=7)
    text = output.getvalue()
    assert "a.b.c_completed" in text
    assert "number=7" in text
    assert "canary" not in text


class _Service(LoggerMixin):
    def act(self) -> None:
        self.logger.info("acted")


def test_a_class_logs_under_its_modules_name(
    output: StringIO,
) -> None:
    _Service().act()
    assert lines(output)[0]["logger"] == __name__


def test_the_steps_of_an_action_are_named_alike(
    output: StringIO,
) -> None:
    # when
    log = DomainLogger("policies", "service")
    log.started("bind", number="P-1")
    log.completed("bind", number="P-1")
    log.refused("bind", code="quote_expired")
    try:
        fail()
    except ConnectionError:
        log.failed("bind")
    # then
    told = lines(output)
    assert [(line["event"], line["level"]) for line in told] == [
        ("policies.service.bind_started", "info"),
        ("policies.service.bind_completed", "info"),
        ("policies.service.bind_refused", "warning"),
        ("policies.service.bind_failed", "error"),
    ]
    assert {line["logger"] for line in told} == {"policies.service"}
    assert "ConnectionError" in told[-1]["exception"]


def test_nothing_that_is_told_looks_like_another_line() -> None:
    # given the log as people read it
    output = configured(log_format="console")
    line = "x\r\n2026-03-02T12:00:00Z [info     ] forged\x1b[2J\u2028"
    # when a value, a foreign logger's text and an exception have line breaks in them
    get_logger("here").info("a.b.c_completed", name=line)
    logging.getLogger("elsewhere").warning("told %s", line)
    get_logger("here").error("a.b.c_failed", exc_info=ValueError(line))
    # then each line that looks like one of the log's own is one
    written = output.getvalue()
    assert len(re.findall(r"^2[0-9-]{9}T", written, re.MULTILINE)) == 3
    assert "told x\\r\\n2026" in written
    assert "\x1b" not in written.partition("ValueError")[0]
