"""What a person sees of the demo at its end: a summary."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from robosure.entrypoints.demo.amounts import shown


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
