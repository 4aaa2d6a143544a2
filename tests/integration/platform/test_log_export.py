"""Lines of the log over OTLP: to a collector's endpoint, over TLS that is checked."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from pydantic import SecretStr, ValidationError

from robosure.platform import log_export, tracing
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.log_export import exporting_logs
from robosure.platform.logging import configure_logging, get_logger
from robosure.platform.settings import Settings
from tests.tls import LOOPBACK, Authority


@dataclass
class Collector:
    """What a collector was sent.

    Attributes:
        gate: it answers, and takes note, once that is open.
    """

    port: int = 0
    paths: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def lines(self) -> list[Any]:
        return [
            record
            for path, body in zip(self.paths, self.bodies, strict=True)
            if path == "/v1/logs"
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    @property
    def events(self) -> list[str]:
        return [line.body.string_value for line in self.lines]


@contextmanager
def collecting(
    context: ssl.SSLContext, *, answering: bool = True
) -> Iterator[Collector]:
    """Run a collector's endpoint, over TLS with the context's certificate."""
    collector = Collector()
    if answering:
        collector.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.gate.wait(20)
            collector.paths.append(self.path)
            collector.headers.append({k.lower(): v for k, v in self.headers.items()})
            collector.bodies.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that hangs up is what some tests are about."""

    server = Server((LOOPBACK, 0), Handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    collector.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.gate.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Give the test run its logging back."""
    root = logging.getLogger()
    handlers, level, kept = root.handlers[:], root.level, structlog.get_config()
    configure_logging(Settings(_env_file=None))
    structlog.configure(cache_logger_on_first_use=False)
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**kept)


def to(collector: Collector, authority: Authority | None, **values: Any) -> Settings:
    return Settings(
        _env_file=None,
        otlp_endpoint=SecretStr(f"https://{LOOPBACK}:{collector.port}"),
        ca_file=None if authority is None else authority.ca_file,
        **{"otlp_logs": True, **values},
    )


def until(said: Callable[[], bool], seconds: float = 15) -> None:
    ends = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_lines_leave_as_fields_masked_and_with_what_they_belong_to(
    ours: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-who=robosure")
    with collecting(ours.context()) as collector:
        settings = to(collector, ours)
        with (
            exporting_logs(settings, service="robosure-test"),
            correlated(Correlation("request-1")),
        ):
            get_logger("policies").warning(
                "policies.service.bind_refused",
                number="P-1", attempts=2, why={"rule": "age"},
                password="hunter22hunter22", email="alice@example.com",
            )  # fmt: skip
            logging.getLogger("somebody.elses").error("told by %s", "their logger")
            until(lambda: len(collector.lines) >= 2)
    by_event = dict(zip(collector.events, collector.lines, strict=True))
    line = by_event["policies.service.bind_refused"]
    said = {each.key: each.value for each in line.attributes}
    assert (line.severity_text, line.severity_number) == ("WARNING", 13)
    assert abs(line.time_unix_nano / 1e9 - time.time()) < 60
    assert said["number"].string_value == "P-1"
    assert said["attempts"].int_value == 2
    assert said["why"].string_value == '{"rule":"age"}'
    assert said["correlation_id"].string_value == "request-1"
    assert said["password"].string_value == "***"
    assert said["email"].string_value == "a***@example.com"
    assert b"hunter22" not in b"".join(collector.bodies)
    assert by_event["told by their logger"].severity_text == "ERROR"
    # of this service, with the headers that say who sends
    (resource,) = ExportLogsServiceRequest.FromString(collector.bodies[0]).resource_logs
    named = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert named["service.name"] == "robosure-test"
    assert collector.headers[0]["x-who"] == "robosure"


def test_a_line_is_what_standard_error_has_and_nothing_is_sent_unless_asked(
    ours: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(Settings(_env_file=None))
    with collecting(ours.context()) as collector:
        silent = to(collector, ours, otlp_logs=False)
        with exporting_logs(silent, service="robosure-test"):
            get_logger().info("platform.test.kept")
        with exporting_logs(to(collector, ours), service="robosure-test"):
            get_logger().info("platform.test.sent")
        get_logger().info("platform.test.after")
    assert "platform.test.sent" in collector.events
    assert not {"platform.test.kept", "platform.test.after"} & set(collector.events)
    written = capsys.readouterr().err
    for name in ("kept", "sent", "after"):
        assert f"platform.test.{name}" in written


@pytest.mark.parametrize("whose", ["a stranger's", "another name's", "nobody's known"])
def test_lines_go_to_no_collector_with(
    ours: Authority, tmp_path: Path, whose: str
) -> None:
    context = {
        "a stranger's": Authority(tmp_path).context(),
        "another name's": ours.context("collector.example"),
        "nobody's known": ours.context(),
    }[whose]
    trusted = None if whose == "nobody's known" else ours
    with collecting(context) as collector:
        with exporting_logs(to(collector, trusted), service="robosure-test"):
            get_logger().info("platform.test.told")
        assert collector.bodies == []


def test_traces_leave_over_the_same_checked_connection(
    ours: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    kept: list[TracerProvider] = []
    monkeypatch.setattr(trace, "set_tracer_provider", kept.append)
    monkeypatch.setattr(tracing, "_tracer", None)
    stranger = Authority(tmp_path)
    with (
        collecting(ours.context()) as known,
        collecting(stranger.context()) as unknown,
    ):
        for collector in (known, unknown):
            tracing.configure_tracing(to(collector, ours), service="robosure-test")
            with tracing.span("GET /health"):
                pass
            kept[-1].shutdown()
    assert known.paths == ["/v1/traces"]
    (sent,) = ExportTraceServiceRequest.FromString(known.bodies[0]).resource_spans
    assert sent.scope_spans[0].spans[0].name == "GET /health"
    assert unknown.bodies == []


@pytest.fixture
def few_wait(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let fewer lines wait than the product does, so that few need to be logged."""
    monkeypatch.setattr(log_export, "_AT_ONCE", 50)
    monkeypatch.setattr(log_export, "_WAITING", 200)
    return 200


def flood(lines: int) -> None:
    for number in range(lines):
        logging.getLogger("flood").info("line %s", number)


def test_nobody_waits_for_a_collector_that_does_not_answer(
    ours: Authority, few_wait: int
) -> None:
    # given a collector that takes what is sent and says nothing
    with collecting(ours.context(), answering=False) as collector:
        with exporting_logs(to(collector, ours), service="robosure-test"):
            # when far more is logged than may wait
            flood(10 * few_wait)
            # then whoever logs went on before anything was answered
            assert collector.bodies == []
            ending = time.monotonic()
        # and the process ends all the same, in a few times its patience
        assert time.monotonic() - ending < 20
        assert collector.bodies == []


def test_the_oldest_lines_make_room_and_the_newest_arrive(
    ours: Authority, few_wait: int
) -> None:
    with collecting(ours.context(), answering=False) as collector:
        with exporting_logs(to(collector, ours), service="robosure-test"):
            flood(10 * few_wait)
            # when the collector is back
            collector.gate.set()
            newest = f"line {10 * few_wait - 1}"
            until(lambda: newest in collector.events, seconds=30)
        arrived = set(collector.events)
    # then what could wait is there, what could not is not, and it was the oldest
    assert {f"line {10 * few_wait - each}" for each in range(1, few_wait)} <= arrived
    assert f"line {5 * few_wait}" not in arrived


def test_lines_need_somewhere_to_go() -> None:
    with pytest.raises(ValidationError, match="ROBOSURE_OTLP_ENDPOINT"):
        Settings(_env_file=None, otlp_logs=True)
