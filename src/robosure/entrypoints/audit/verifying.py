"""Verifying: with progress for what takes longer, and the verdict in words or JSON."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Collection
from dataclasses import asdict
from typing import Final
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from robosure.entrypoints.events.acting import console, print_json
from robosure.platform.audit.verifying import Broken, Report, verify
from robosure.platform.database import Database
from robosure.platform.database.behalf import PLATFORM, on_behalf_of
from robosure.platform.settings import get_settings

_QUIET_SECONDS: Final = 1.0
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")
_WORDS: Final = {
    "altered": "is not what was written",
    "missing": "is missing",
    "inserted": "was inserted",
    "reordered": "is out of its place",
    "tail_cut": "is missing, and all after it",
    "head_altered": "is not the one that the chain's head names",
}


def run_verify(
    organisation: UUID | None, expected: Collection[str], *, as_json: bool
) -> None:
    """Verify, print what was found, and end with 1 if something is amiss.

    Raises:
        ValueError: what is expected is no hash.
    """
    for each in expected:
        if not _HASH.fullmatch(each):
            raise ValueError(f"not a hash of 64 hexadecimal digits: {each}")
    report = asyncio.run(_verified(organisation, expected))
    if as_json:
        print_json({"whole": report.whole, **asdict(report)})
    else:
        _show(report)
    if not report.whole:
        raise typer.Exit(1)


async def _verified(organisation: UUID | None, expected: Collection[str]) -> Report:
    database = Database.from_settings(get_settings())
    began = time.monotonic()
    bar = Progress(
        TextColumn("verifying"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("verifying")

    def progress(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if time.monotonic() - began > _QUIET_SECONDS:
            bar.start()

    try:
        with on_behalf_of(PLATFORM):
            return await verify(
                database,
                organisation_id=organisation,
                expected=expected,
                progress=progress,
            )
    finally:
        if bar.live.is_started:
            bar.stop()
        await database.close()


def _show(report: Report) -> None:
    table = Table("organisation", "entries", "unchained", "head", "verdict")
    for chain in report.chains:
        whose = str(chain.organisation_id or "the platform's own")
        verdict = "whole" if chain.broken is None else "[bold red]broken[/]"
        table.add_row(
            whose, f"{chain.entries:,}", f"{chain.unchained:,}", chain.head, verdict
        )
    console().print(table)
    for chain in report.chains:
        if chain.broken is not None:
            whose = str(chain.organisation_id or "the platform")
            _complain(f"chain of {whose}: {_told(chain.broken)}")
    for each in report.not_found:
        _complain(f"the hash {each} is in no chain that was verified")


def _told(broken: Broken) -> str:
    entry = "" if broken.entry_id is None else f" ({broken.entry_id})"
    return f"entry {broken.sequence}{entry} {_WORDS[broken.breach]}"


def _complain(sentence: str) -> None:
    Console(stderr=True, highlight=False).print(sentence, soft_wrap=True)
