"""What a person sees of ``produce`` and ``loadtest``: progress, and the figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from robosure.entrypoints.client.progress import LiveView, Silence, Watcher
from robosure.entrypoints.load.latencies import PERCENTILES, Latencies

_BAR: Final = 40
_BLOCKS: Final = " ▏▎▍▌▋▊▉█"

__all__ = ["Watcher", "measured", "produced", "watching"]


@contextmanager
def watching(console: Console, *, silent: bool) -> Iterator[Watcher]:
    """Show progress, or nothing."""
    if silent:
        yield Silence()
    else:
        with LiveView(console) as view:
            yield view


def produced(report: dict[str, Any]) -> RenderableType:
    """Lay out what was produced and what became of it."""
    sent, effects = report["sent"], report["effects"]
    table = _plain_table("Telemetry sent" + _early(report))
    table.add_row("Events sent", f"{sent['events']:,}")
    table.add_row("  for the first time", f"{sent['valid']:,}")
    table.add_row("  again", f"{sent['duplicates']:,}")
    table.add_row("  malformed on purpose", f"{sent['malformed']:,}")
    table.add_row("Accepted", f"{report['accepted']:,}")
    table.add_row("Refused", f"{report['refused']:,}")
    table.add_row("Requests put off by the server", f"{report['put_off']:,}")
    table.add_section()
    for name, label in (
        ("stored", "Took effect"),
        ("repeated", "Recognised as repeats"),
        ("failed", "Failed"),
    ):
        table.add_row(label, "—" if effects is None else f"{effects[name]:,}")
    table.add_section()
    table.add_row("Robots", f"{report['robots']:,}")
    offered = report["offered_per_second"]
    table.add_row("Events/s asked for", "—" if offered is None else f"{offered:,.0f}")
    table.add_row("Events/s sent", f"{report['events_per_second']:,.0f}")
    table.add_row("Seconds", f"{report['seconds']:,.1f}")
    return table


def measured(report: dict[str, Any], request_latency: Latencies) -> RenderableType:
    """Lay out a load test: rates, latencies, and what became of requests."""
    parts: list[RenderableType] = [
        _rates(report),
        _latency_table(report),
        _histogram(request_latency),
    ]
    parts += [Text(f"! {note}", style="yellow") for note in report["notes"]]
    return Group(*parts)


def _rates(report: dict[str, Any]) -> Table:
    http, events = report["http"], report["events"]
    table = Table("", "Offered", "Achieved", title="Load" + _early(report))
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row(
        "Requests/s",
        f"{http['offered_per_second']:,.1f}",
        f"{http['achieved_per_second']:,.1f}",
    )
    table.add_row(
        "Events/s",
        f"{events['offered_per_second']:,.0f}",
        f"{events['accepted_per_second']:,.0f}",
    )
    table.add_row("Events", f"{events['offered']:,}", f"{events['accepted']:,}")
    table.add_section()
    for status, count in http["statuses"].items():
        table.add_row(f"Answered {status}", "", f"{count:,}")
    for reason, count in http["errors"].items():
        table.add_row(f"Error: {reason}", "", f"{count:,}")
    table.add_row("Client's processor", "", f"{http['client_cpu']:.0%}")
    return table


def _latency_table(report: dict[str, Any]) -> Table:
    heads = [f"p{percent:g}" for percent in PERCENTILES]
    table = Table("Milliseconds", *heads, "max", "of", title="Latency")
    for column in table.columns[1:]:
        column.justify = "right"
    effects = report["effects"]
    rows: list[tuple[str, dict[str, Any]]] = [
        ("due to answer", report["http"]["latency"]),
        ("due to sent", report["http"]["delay"]),
    ]
    if effects["seen"] is not None:
        rows.append(("202 to effect, as seen", effects["seen"]))
    rows += [
        (f"202 to effect, {consumer}", told)
        for consumer, told in effects["told"].items()
    ]
    for label, figures in rows:
        table.add_row(
            label,
            *(_milliseconds(figures.get(f"{head}_ms")) for head in (*heads, "max")),
            f"{figures['count']:,}",
        )
    if effects["drained_seconds"] is not None:
        table.caption = (
            "everything accepted had taken effect "
            f"{effects['drained_seconds']:.2f} s after the last answer"
        )
    return table


def _histogram(latency: Latencies) -> Table:
    table = _plain_table("From due to answer, by powers of two")
    octaves = latency.octaves()
    most = max((count for _, count in octaves), default=1)
    for bound, count in octaves:
        table.add_row(
            f"< {_milliseconds(bound * 1000)} ms", f"{count:,}", _bar(count / most)
        )
    return table


def _bar(share: float) -> str:
    eighths = round(share * _BAR * 8)
    return _BLOCKS[8] * (eighths // 8) + _BLOCKS[eighths % 8].strip()


def _plain_table(title: str) -> Table:
    table = Table(title=title, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    return table


def _milliseconds(value: float | None) -> str:
    return "—" if value is None else f"{value:,.3g}" if value < 1 else f"{value:,.1f}"


def _early(report: dict[str, Any]) -> str:
    return ", stopped early" if report["stopped"] else ""
