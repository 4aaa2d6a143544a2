"""How the figures are laid out: tables, and a line of history for each total."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from robosure.entrypoints.monitor.figures import Figures, StreamFigures

HISTORY: Final = 40
"""How many intervals are remembered."""
_DASH: Final = "—"
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_MILLISECOND: Final = 0.001
_MINUTE: Final = 60.0
_FEW: Final = 10.0
_PREFIX: Final = "robosure:"
_LEFT: Final = ("Consumer", "History")


def screen(
    history: Sequence[Figures], *, url: str, trouble: str | None = None
) -> RenderableType:
    """Lay out the newest figures, with what came before as small charts.

    Args:
        history: the newest last; at least one.
        url: whose figures they are.
        trouble: why there are no newer ones.
    """
    now = history[-1]
    parts: list[RenderableType] = [_heading(now, url)]
    if trouble is not None:
        parts.append(Panel(Text(trouble), style="bold red"))
    parts += [_totals(history), _streams(now), _consumers(now), _http(now)]
    return Group(*parts)


def _heading(now: Figures, url: str) -> Text:
    ready = ("ready", "bold green") if now.ready else ("not ready", "bold red")
    checks = ", ".join(f"{name}: {answer}" for name, answer in now.checks.items())
    return Text.assemble(
        (url, "bold"),
        "  ",
        ready,
        f" ({checks})" if checks else "",
        f"  {now.at:%Y-%m-%d %H:%M:%S} UTC\n",
        f"workers: {_number(now.workers)}, outbox: {_number(now.outbox_depth)}",
        f" (oldest {_duration(now.outbox_oldest_seconds)})",
    )


def _totals(history: Sequence[Figures]) -> Table:
    table = _table("Events", "Now", "History")
    for label, name, shown in (
        ("received/s", "received_per_second", _number),
        ("processed/s", "processed_per_second", _number),
        ("failed/s", "failed_per_second", _number),
        ("accepted to effect, p95", "latency_p95", _duration),
        ("lag", "lag", _number),
        ("dead letters", "dead_letters", _number),
    ):
        values: list[float | None] = [getattr(each.totals, name) for each in history]
        table.add_row(label, shown(values[-1]), sparkline(values))
    return table


def _streams(now: Figures) -> Table:
    """Those on which something happens or waits; the rest is only counted."""
    table = _table("Streams", "Consumer", "Received/s", "Lag", "Oldest", "Leases")
    busy = [each for each in now.streams if _is_busy(each)]
    for each in busy:
        table.add_row(
            each.stream.removeprefix(_PREFIX),
            each.consumer or _DASH,
            _number(each.received_per_second),
            _number(each.lag),
            _duration(each.oldest_seconds),
            _number(each.lanes),
        )
    idle = [each for each in now.streams if not _is_busy(each)]
    if idle:
        leases = [each.lanes for each in idle if each.lanes is not None]
        table.add_row(
            f"{len(idle)} idle",
            "",
            "",
            "",
            "",
            _number(sum(leases) if leases else None),
        )
    return table


def _is_busy(stream: StreamFigures) -> bool:
    return bool(stream.received_per_second or stream.lag or stream.oldest_seconds)


def _consumers(now: Figures) -> Table:
    table = _table(
        "Consumers",
        "Done/s",
        "Failed/s",
        "p50",
        "p95",
        "p99",
        "Batch",
        "In",
        "Dead",
    )
    for each in now.consumers:
        table.add_row(
            each.consumer,
            _number(each.processed_per_second),
            _number(each.failed_per_second),
            _duration(each.latency_p50),
            _duration(each.latency_p95),
            _duration(each.latency_p99),
            _number(each.events_per_batch),
            _duration(each.seconds_per_batch),
            _number(each.dead_letters),
        )
    return table


def _http(now: Figures) -> Table:
    http = now.http
    table = _table("HTTP", "Requests/s", "p50", "p95", "p99")
    table.add_row(
        "all",
        _number(http.per_second),
        _duration(http.p50),
        _duration(http.p95),
        _duration(http.p99),
    )
    table.add_row("answered 4xx", _number(http.client_errors_per_second))
    table.add_row("answered 5xx", _number(http.server_errors_per_second))
    for each in http.busiest:
        table.add_row(each.endpoint, _number(each.per_second), "", _duration(each.p95))
    return table


def sparkline(values: Sequence[float | None]) -> str:
    """Draw values as blocks, the largest as the tallest; a gap where there is none."""
    known = [value for value in values if value is not None]
    most = max(known, default=0.0)
    return "".join(
        " "
        if value is None
        else _BLOCKS[round(value / most * (len(_BLOCKS) - 1)) if most > 0 else 0]
        for value in values
    )


def _table(title: str, *columns: str) -> Table:
    """A table without lines, so that all of them fit on a screen."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"\n{title}", style="cyan", min_width=24)
    for name in columns:
        table.add_column(
            f"\n{name}", justify="left" if name in _LEFT else "right", no_wrap=True
        )
    return table


def _number(value: float | None) -> str:
    if value is None:
        return _DASH
    return f"{value:,.1f}" if 0 < value < _FEW and value % 1 else f"{value:,.0f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return _DASH
    if seconds < 1:
        return f"{seconds / _MILLISECOND:,.1f} ms"
    if seconds < _MINUTE:
        return f"{seconds:,.1f} s"
    return f"{seconds / _MINUTE:,.1f} min"
