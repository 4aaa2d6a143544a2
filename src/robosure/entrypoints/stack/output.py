"""What a person sees of the stack: every process's lines, each with its name.

The same lines go to ``logs/<name>.log``, without colours, so that they are still
there when the terminal is not.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from itertools import cycle
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path

_COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green")
_NAME_WIDTH = 8
_LOG_BYTES = 10_000_000
_LONGEST_LINE = 65_536


class Output:
    """Prefixed lines on a console, and one log file for each name."""

    def __init__(self, *, logs: Path, console: Console | None = None) -> None:
        self._logs = logs
        self._console = console or Console(stderr=True, highlight=False)
        self._colours = cycle(_COLOURS)
        self._styles: dict[str, str] = {}
        self._files: dict[str, _LogFile] = {}

    @property
    def console(self) -> Console:
        """Where the lines appear."""
        return self._console

    def line(self, name: str, text: str, *, show: bool = True) -> None:
        """Show and keep one line that a process wrote."""
        if show:
            self._show(name, Text.from_ansi(text))
        self._keep(name, text)

    def say(self, name: str, text: str) -> None:
        """Show and keep what the supervisor has to say about a process."""
        self._show(name, Text(text, style="bold"))
        self._keep(name, text)

    def log_file(self, name: str) -> Path:
        """Where the lines of a process are kept."""
        return self._logs / f"{name}.log"

    def close(self) -> None:
        """Close the log files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _show(self, name: str, text: Text) -> None:
        if name not in self._styles:
            self._styles[name] = next(self._colours)
        prefix = Text(f"{name:<{_NAME_WIDTH}} | ", style=self._styles[name])
        # The terminal may be gone (a closed window, `| head`); the work goes on.
        with suppress(OSError):
            self._console.print(prefix + text, soft_wrap=True, highlight=False)

    def _keep(self, name: str, text: str) -> None:
        plain = Text.from_ansi(text).plain
        record = logging.LogRecord(name, logging.INFO, "", 0, plain, None, None)
        # A full disk or a deleted directory must not keep us from listening.
        with suppress(OSError):
            if name not in self._files:
                self._files[name] = self._open(name)
            self._files[name].handle(record)

    def _open(self, name: str) -> _LogFile:
        self._logs.mkdir(exist_ok=True)
        return _LogFile(
            self.log_file(name),
            maxBytes=_LOG_BYTES,
            backupCount=1,
            encoding="utf-8",
            errors="replace",
        )


class _LogFile(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - named by logging
        """Say nothing: a traceback for each line would hide the lines."""


class LineSplitter:
    """Cuts a stream of bytes into lines, never holding more than 64 KiB of one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """Take what was read and give the lines it completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        return [self._text(line) for line in lines]

    def finish(self) -> list[str]:
        """Give the last line, if the stream ended without a newline."""
        rest, self._rest = self._rest, b""
        return [self._text(rest)] if rest else []

    @staticmethod
    def _text(line: bytes) -> str:
        return line.decode(errors="replace").rstrip("\r")
