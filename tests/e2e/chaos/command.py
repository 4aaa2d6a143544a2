"""The command line of a campaign: what is asked for, and what is shown of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.table import Table

from tests.e2e.chaos.campaign import (
    VICTIMS,
    Campaign,
    Harm,
    Report,
    Round,
    killing,
    totals,
)
from tests.e2e.chaos.faults import (
    Disk,
    NotPermitted,
    a_distant_stage,
    a_small_disk,
)
from tests.e2e.chaos.stage import Stage, StageError, a_stage

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_console: Final = Console(highlight=False)
_KNOWN: Final = (*VICTIMS, "network", "disk")
_TOTALS: Final = (
    "rounds", "passed", "accepted", "effects", "facts", "missing", "duplicates",
)  # fmt: skip


@app.command()
def campaign(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds per victim.")] = 1,
    only: Annotated[
        str, typer.Option(help="Victims, separated by commas.", metavar="VICTIM,...")
    ] = ",".join(_KNOWN),
    events_per_round: Annotated[
        int, typer.Option(min=100, help="Events sent per round, about.")
    ] = 4_000,
    seed: Annotated[
        int | None, typer.Option(help="For the same choices again.", show_default=False)
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Where to write the report.", dir_okay=False),
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(help="Where to keep the processes' logs.", file_okay=False),
    ] = None,
) -> None:
    """Kill parts of Robosure under load, and count what was lost."""
    victims = [each.strip() for each in only.split(",") if each.strip()]
    if unknown := sorted(set(victims) - set(_KNOWN)):
        raise typer.BadParameter(f"no such victim: {', '.join(unknown)}")
    seed = time.time_ns() % 2**32 if seed is None else seed
    _console.print(f"seed {seed}")
    report = Report()
    try:
        plan = _Plan(victims, rounds, events_per_round, Random(seed), logs)
        asyncio.run(plan.carry_out(report))
    except StageError as error:
        _console.print(f"[bold red]ended early:[/] {error}")
        raise typer.Exit(1) from error
    finally:
        _show(report)
        if json_file is not None:
            document = {"seed": seed, **report.as_json()}
            json_file.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    raise typer.Exit(0 if report.passed else 1)


@dataclass(frozen=True)
class _Plan:
    """What was asked for."""

    victims: Sequence[str]
    rounds: int
    events_per_round: int
    chance: Random
    logs: Path | None

    async def carry_out(self, report: Report) -> None:
        """Start a stage for each kind of harm, and fight on it."""
        if killed := [each for each in VICTIMS if each in self.victims]:
            async with a_stage(keep_logs=self._logs_of("killed")) as stage:
                harms = {victim: killing(victim) for victim in killed}
                await self._fight(stage, harms, report)
        if "network" in self.victims:
            logs = self._logs_of("network")
            async with a_distant_stage(self.chance, keep_logs=logs) as (stage, network):
                await self._fight(stage, {"network": network.fail}, report)
        if "disk" in self.victims:
            try:
                with a_small_disk() as disk:
                    await self._fill(disk, report)
            except NotPermitted as error:
                report.skipped["disk"] = f"no small disk to fill: {error}"

    async def _fill(self, disk: Disk, report: Report) -> None:
        logs = self._logs_of("disk")
        async with a_distant_stage(
            self.chance, data_in=disk.directory, keep_logs=logs
        ) as (stage, _):
            await self._fight(stage, {"disk": disk.fill}, report)

    async def _fight(
        self, stage: Stage, harms: Mapping[str, Harm], report: Report
    ) -> None:
        async with Campaign.on(
            stage,
            report,
            chance=self.chance,
            events_per_round=self.events_per_round,
            on_round=_tell,
        ) as fight:
            for number in range(1, self.rounds + 1):
                for victim, harm in harms.items():
                    await fight.round(victim, number, harm)

    def _logs_of(self, stage: str) -> Path | None:
        return None if self.logs is None else self.logs / stage


def _tell(result: Round) -> None:
    recovered = (
        "never"
        if result.recovery_seconds is None
        else f"{result.recovery_seconds:.1f} s"
    )
    _console.print(
        f"{'[green]ok  [/]' if result.passed else '[bold red]FAIL[/]'} "
        f"{result.victim:<9}{result.number:>3}  {result.detail:<28} "
        f"accepted {result.accepted:>6,}  effects {result.effects:>6,}  "
        f"facts {result.facts:>4}  missing {result.missing}  "
        f"duplicates {result.duplicates}  down {result.down_seconds:.1f} s  "
        f"recovered {recovered}",
        soft_wrap=True,
    )
    for problem in result.problems:
        _console.print(f"       {problem}", soft_wrap=True, markup=False)


def _show(report: Report) -> None:
    table = Table("victim", title="What was promised, and what became of it")
    for heading in (*_TOTALS, "down s, median/max", "recovery s, median/max"):
        table.add_column(heading, justify="right")
    for victim in dict.fromkeys(each.victim for each in report.rounds):
        row = totals(report.of(victim))
        table.add_row(
            victim,
            *(f"{row[name]:,}" for name in _TOTALS),
            _middle_and_most(row, "down_seconds"),
            _middle_and_most(row, "recovery_seconds"),
        )
    _console.print(table)
    for name, reason in report.skipped.items():
        _console.print(f"skipped {name}: {reason}")
    for finding in report.late_findings:
        _console.print(f"[bold red]later:[/] {finding}")


def _middle_and_most(row: Mapping[str, Any], name: str) -> str:
    if row[f"{name}_max"] is None:
        return "never"
    return f"{row[f'{name}_median']:.1f} / {row[f'{name}_max']:.1f}"
