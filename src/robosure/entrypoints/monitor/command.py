"""``robosure monitor``: read the metrics again and again, and show them."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import httpx
import orjson
from rich.console import Console
from rich.live import Live
from rich.text import Text

from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.client.server import running_here
from robosure.entrypoints.monitor.exposition import Exposition
from robosure.entrypoints.monitor.figures import Figures, Reading, figures
from robosure.entrypoints.monitor.view import HISTORY, screen

_TIMEOUT_SECONDS: Final = 5.0
_ANSWERS: Final = {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE}


class NoAnswerError(ClientError):
    """The metrics cannot be read right now."""


@dataclass(frozen=True)
class Look:
    """How to look.

    Attributes:
        interval: seconds between two readings.
        once: show one interval, and end.
        as_json: one JSON object per interval, and nothing else.
    """

    interval: float = 1.0
    once: bool = False
    as_json: bool = False


def run_monitor(url: str | None, look: Look) -> None:
    """Show a running Robosure's metrics until Ctrl-C.

    Args:
        url: of which; by default the stack that runs here.
        look: how.

    Raises:
        ClientError: nobody answers at the beginning, or with ``once``.
    """
    url = (url or running_here().url).rstrip("/")
    with httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS) as http:
        monitor = _Monitor(url, http, look)
        with suppress(KeyboardInterrupt), _until_nobody_reads():
            monitor.run()


class _Monitor:
    def __init__(self, url: str, http: httpx.Client, look: Look) -> None:
        self._url = url
        self._http = http
        self._look = look
        self._history: deque[Figures] = deque(maxlen=HISTORY)

    def run(self) -> None:
        last = self._read()
        if self._look.once:
            self._pause()
            self._show_once(figures(self._read(), last))
        elif self._look.as_json:
            self._follow(last, _print_json, _print_trouble)
        elif (console := Console()).is_terminal:
            self._live(last, console)
        else:
            self._append(last)

    def _append(self, last: Reading) -> None:
        """Print one interval after the other, where there is no terminal."""
        console = Console()

        def show(now: Figures) -> None:
            self._history.append(now)
            console.print(screen(self._history, url=self._url))

        self._follow(last, show, console.print)

    def _live(self, last: Reading, console: Console) -> None:
        """Show a screen that changes."""
        waiting = Text(f"{self._url}: reading for {self._look.interval:g} s")
        with Live(waiting, console=console, screen=True, auto_refresh=False) as live:

            def show(now: Figures) -> None:
                self._history.append(now)
                live.update(screen(self._history, url=self._url), refresh=True)

            def tell(trouble: str) -> None:
                shown = (
                    screen(self._history, url=self._url, trouble=trouble)
                    if self._history
                    else Text(trouble, style="bold red")
                )
                live.update(shown, refresh=True)

            self._follow(last, show, tell)

    def _follow(
        self,
        last: Reading,
        show: Callable[[Figures], None],
        tell: Callable[[str], None],
    ) -> None:
        """Go on whether it answers or not."""
        while True:
            self._pause()
            try:
                now = self._read()
            except NoAnswerError as error:
                tell(f"{error}; trying again")
                continue
            show(figures(now, last))
            last = now

    def _show_once(self, now: Figures) -> None:
        if self._look.as_json:
            _print_json(now)
        else:
            Console().print(screen([now], url=self._url))

    def _pause(self) -> None:
        time.sleep(self._look.interval)

    def _read(self) -> Reading:
        """Read the metrics, and whether it is ready.

        Raises:
            NoAnswerError: nobody answers, or not with metrics.
        """
        try:
            metrics = self._http.get("/metrics")
            seconds = time.monotonic()
            ready = self._http.get("/ready")
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise NoAnswerError(f"{self._url} does not answer: {reason}") from error
        if not metrics.is_success:
            raise NoAnswerError(
                f"{self._url}/metrics answered {metrics.status_code}; is it a Robosure?"
            )
        try:
            exposition = Exposition.parse(metrics.text)
        except ValueError as error:
            raise NoAnswerError(f"{self._url}/metrics are no metrics") from error
        return Reading(
            at=datetime.now(UTC),
            seconds=seconds,
            exposition=exposition,
            ready=ready.is_success,
            checks=_checks(ready),
        )


def _checks(ready: httpx.Response) -> dict[str, str]:
    if ready.status_code not in _ANSWERS:
        return {}
    try:
        document: dict[str, Any] = ready.json()
        return {str(name): str(said) for name, said in document["checks"].items()}
    except (ValueError, LookupError, AttributeError, TypeError):
        return {}


def _print_json(now: Figures) -> None:
    _print({"error": None, **asdict(now)})


def _print_trouble(trouble: str) -> None:
    _print({"error": trouble, "at": datetime.now(UTC)})


def _print(document: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


@contextmanager
def _until_nobody_reads() -> Iterator[None]:
    """End quietly where what reads our output has ended, as ``head`` does."""
    try:
        yield
    except BrokenPipeError:
        # Or the interpreter would complain of it once more when it ends.
        sys.stdout = None
