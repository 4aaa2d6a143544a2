"""The monitor: what it shows, and how it takes it when nobody answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
from rich.console import Console

from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.monitor import command
from robosure.entrypoints.monitor.command import Look, run_monitor
from robosure.entrypoints.monitor.view import sparkline

URL = "http://there"
READY = {"status": "ready", "checks": {"database": "ok", "redis": "ok"}}


class Server:
    """Counts 50 more events each time it is asked; does not answer when away."""

    def __init__(self) -> None:
        self.received = 0
        self.away_at: set[int] = set()
        self.ends_at = 4
        self.asked = 0
        self.metrics: Callable[[], httpx.Response] = self._counting

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/ready":
            return httpx.Response(200, json=READY)
        self.asked += 1
        if self.asked in self.away_at:
            raise httpx.ConnectError("refused")
        return self.metrics()

    def _counting(self) -> httpx.Response:
        self.received += 50
        text = (
            "# TYPE events_received_total counter\n"
            f'events_received_total{{stream="robosure:ingest"}} {self.received}\n'
            "# TYPE stream_lag gauge\n"
            'stream_lag{stream="robosure:ingest",consumer="eventflow"} 7\n'
        )
        return httpx.Response(200, text=text)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server, on which a second passes between two readings."""
    server = Server()
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if server.asked >= server.ends_at:
            raise KeyboardInterrupt

    def client(**options: Any) -> httpx.Client:
        assert options["base_url"] == URL
        return httpx.Client(base_url=URL, transport=httpx.MockTransport(server))

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr(command, "httpx", _with_client(client))
    monkeypatch.setattr(
        command, "Console", lambda: Console(width=100, force_terminal=False)
    )
    return server


def _with_client(client: Callable[..., httpx.Client]) -> Any:
    class Httpx:
        Client = staticmethod(client)
        TransportError = httpx.TransportError
        Response = httpx.Response

    return Httpx


def told(capfdbinary: pytest.CaptureFixture[bytes]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def test_once_shows_one_interval_and_ends(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    run_monitor(URL, Look(interval=0.5, once=True))
    shown = capsys.readouterr().out
    assert server.asked == 2
    assert "http://there  ready (database: ok, redis: ok)" in shown
    lines = [line.split() for line in shown.splitlines()]
    # 50 more in half a second
    assert ["received/s", "100", "█"] in lines
    assert ["ingest", "eventflow", "100", "7", "—", "—"] in lines
    # and what is not exported is a dash
    assert ["dead", "letters", "—"] in lines


def test_as_json_there_is_one_object_per_interval(
    server: Server, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    run_monitor(URL, Look(as_json=True))
    first, second, third = told(capfdbinary)
    for each in (first, second, third):
        assert each["error"] is None
        assert each["ready"] is True
        assert each["totals"]["received_per_second"] == 50.0
        assert each["totals"]["dead_letters"] is None
        assert each["streams"][0]["lag"] == 7


def test_it_says_when_nobody_answers_and_goes_on_when_somebody_does(
    server: Server, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    # given a server that is away for the second reading
    server.away_at = {2}
    # when it is watched
    run_monitor(URL, Look(as_json=True))
    # then that is said, and the next figures are of both intervals
    trouble, after, _ = told(capfdbinary)
    assert trouble["error"] == "http://there does not answer: refused; trying again"
    assert after["error"] is None
    assert after["seconds"] == 2.0
    assert after["totals"]["received_per_second"] == 25.0


def test_without_a_terminal_the_intervals_follow_one_another(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.away_at = {3}
    run_monitor(URL, Look())
    shown = capsys.readouterr().out
    assert shown.count("received/s") == 2
    assert "http://there does not answer: refused; trying again" in shown


def test_on_a_terminal_trouble_stands_above_the_last_figures(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.away_at = {3}
    terminal = Console(width=100, height=50, force_terminal=True, color_system=None)
    monkeypatch.setattr(command, "Console", lambda: terminal)
    run_monitor(URL, Look())
    shown = capsys.readouterr().out
    assert "reading for 1 s" in shown
    assert "http://there does not answer: refused; trying again" in shown
    # the figures remain under it: two good intervals and one without
    assert shown.count("received/s") == 3


@pytest.mark.parametrize("look", [Look(once=True), Look(as_json=True), Look()])
def test_where_nobody_answers_at_first_it_ends(server: Server, look: Look) -> None:
    server.away_at = {1}
    with pytest.raises(ClientError, match=r"^http://there does not answer: refused$"):
        run_monitor(URL, look)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(404), r"^http://there/metrics answered 404; is it a Robosure"),
        (httpx.Response(200, text="<p>"), r"^http://there/metrics are no metrics$"),
    ],
)
def test_what_is_no_robosure_is_told_apart(
    server: Server, answer: httpx.Response, said: str
) -> None:
    server.metrics = lambda: answer
    with pytest.raises(ClientError, match=said):
        run_monitor(URL, Look(once=True))


def test_without_a_stack_here_it_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("ROBOSURE_HOME", str(tmp_path))
    with pytest.raises(ClientError, match=r"no stack runs on .*: start one with"):
        run_monitor(None, Look())


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([], ""),
        ([0.0, 0.0], "▁▁"),
        ([0.0, 5.0, 10.0], "▁▅█"),
        ([None, 10.0, None], " █ "),
        ([None], " "),
    ],
)
def test_a_sparkline_is_drawn_against_its_largest_value(
    values: list[float | None], drawn: str
) -> None:
    assert sparkline(values) == drawn
