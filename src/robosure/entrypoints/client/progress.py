"""What a person sees of a run while it goes on: each step as it is taken."""

from __future__ import annotations

import time
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text


class Watcher(Protocol):
    """Whoever follows the run."""

    def begin(self, step: str, *, total: int | None = None) -> None:
        """A step begins; ``total`` counts what it has to do."""
        ...

    def advance(self, by: int) -> None:
        """The step has done so much more."""
        ...

    def reach(self, done: int) -> None:
        """The step has done so much altogether."""
        ...

    def finish(self, result: str) -> None:
        """The step is done, with this to show."""
        ...


class Silence:
    """Watches and says nothing: for ``--json``."""

    def begin(self, step: str, *, total: int | None = None) -> None:
        """Ignore it."""

    def advance(self, by: int) -> None:
        """Ignore it."""

    def reach(self, done: int) -> None:
        """Ignore it."""

    def finish(self, result: str) -> None:
        """Ignore it."""


class _CountColumn(MofNCompleteColumn):
    """How much of how much, for a step that knows."""

    def render(self, task: Task) -> Text:
        """Show nothing for a step that does not."""
        return Text() if task.total is None else super().render(task)


class LiveView:
    """Steps that are done, and the one at hand with its progress."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._done: list[Text] = []
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            _CountColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._live = Live(console=console, refresh_per_second=10, transient=True)
        self._step = ""
        self._started = 0.0

    def __enter__(self) -> LiveView:  # noqa: PYI034 - never subclassed
        self._live.start()
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, step: str, *, total: int | None = None) -> None:
        """Show the step and its progress."""
        self._step, self._started = step, time.monotonic()
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        self._progress.add_task(step, total=total)
        self._show()

    def advance(self, by: int) -> None:
        """Move its bar."""
        self._progress.advance(self._progress.task_ids[-1], by)

    def reach(self, done: int) -> None:
        """Move its bar there."""
        self._progress.update(self._progress.task_ids[-1], completed=done)

    def finish(self, result: str) -> None:
        """Show it among what is done."""
        line = Text.assemble(
            ("✓ ", "bold green"),
            (self._step, "bold"),
            (f"  {time.monotonic() - self._started:.1f} s\n", "dim"),
            f"    {result}",
        )
        self._console.print(line)
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        self._show()

    def _show(self) -> None:
        self._live.update(Group(*self._done, self._progress))
