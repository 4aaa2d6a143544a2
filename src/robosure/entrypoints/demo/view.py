"""What a person sees of the demo: each step as it is taken, and a summary."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from robosure.entrypoints.demo.amounts import shown


class Silence:
    """Watches and says nothing: for ``--json``."""

    def begin(self, step: str, *, total: int | None = None) -> None:
        """Ignore it."""

    def advance(self, by: int) -> None:
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


def summary(report: dict[str, Any]) -> Group:
    """Lay the report out: what moved the price, how the claim was settled."""
    quote, claim = report["quote"], report["claim"]
    price = Table("Factor", "Value", "Relativity", title="How the price was made")
    for factor in quote["robots"][0]["factors"]:
        price.add_row(factor["name"], str(factor["value"]), str(factor["relativity"]))
    price.add_section()
    price.add_row(
        "Premium without telemetry", "", shown(quote["premium_without_telemetry"])
    )
    price.add_row("Premium", "", shown(quote["premium"]))
    price.add_row("Total with tax", "", shown(quote["total"]))
    settled = Table("Step", "After", title=f"How {claim['number']} was settled")
    for step in claim["settlement"]["steps"]:
        settled.add_row(str(step["explanation"]), shown(step["after"]))
    line = (
        f"Policy {report['policy']['number']}, claim {claim['number']} "
        f"{claim['status']}, ledger sums to {report['ledger']['sum_minor']}, "
        f"{report['deliveries']} notices, in {report['seconds']} s"
    )
    return Group(price, settled, Panel(Text(line, style="bold")))
