"""The examination, told in words or as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import typer
from rich.table import Table
from rich.text import Text

from robosure.entrypoints.doctor.checks import Deployment, Verdict, examine
from robosure.entrypoints.events.acting import console, print_json

_STYLES: Final = {
    Verdict.GOOD: "green",
    Verdict.WARNING: "yellow",
    Verdict.WRONG: "bold red",
}


def run_doctor(
    url: str, *, ca_file: Path | None, http_port: int, as_json: bool
) -> None:
    """Examine, print what was found, and end with 1 if something is wrong.

    Raises:
        ValueError: that is no URL of a deployment.
        OSError: nobody answers there.
    """
    deployment = Deployment.at(url, ca_file=ca_file, http_port=http_port)
    findings = list(examine(deployment))
    sound = all(each.verdict is not Verdict.WRONG for each in findings)
    if as_json:
        found = [asdict(each) for each in findings]
        print_json({"url": url, "sound": sound, "findings": found})
    else:
        table = Table("check", "verdict", "seen")
        for each in findings:
            verdict = Text(each.verdict, style=_STYLES[each.verdict])
            table.add_row(each.check, verdict, Text(each.seen))
        console().print(table)
    if not sound:
        raise typer.Exit(1)
