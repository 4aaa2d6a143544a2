"""Looking: at the types of events, and at the way of one event."""

from __future__ import annotations

from rich.json import JSON
from rich.table import Table
from rich.tree import Tree

from robosure.entrypoints.client.server import Server
from robosure.entrypoints.events.acting import Json, acting, console, print_json


def list_types(server: Server | None, *, as_json: bool) -> None:
    """Print what may be sent, and what contexts tell each other."""
    found: Json = acting(server, lambda caller: caller.get("/event-types"))
    if as_json:
        print_json(found)
        return
    table = Table("type", "kind", "owner", "kept", "goes to", "status")
    for each in found["items"]:
        days = each["retention_days"]
        table.add_row(
            each["name"],
            each["kind"],
            each["owner"],
            "for ever" if days is None else f"{days} days",
            ", ".join(each["consumers"]) or "-",
            each["status"],
        )
    console().print(table)


def show_type(server: Server | None, name: str, *, as_json: bool) -> None:
    """Print a type of event, its schema, and a sample of it."""
    found: Json = acting(server, lambda caller: caller.get(f"/event-types/{name}"))
    if as_json:
        print_json(found)
        return
    console().print(f"[bold]{found['name']}[/] of {found['owner']}, {found['status']}")
    console().print(found["description"], markup=False)
    console().print(JSON.from_data(found["schema"]))
    if found["sample"] is not None:
        console().print("[bold]For example[/]")
        console().print(JSON.from_data(found["sample"]))


def trace(server: Server | None, uid: str, *, as_json: bool) -> None:
    """Print the way of an event, from its receipt to its effects."""
    found: Json = acting(server, lambda caller: caller.get(f"/events/{uid}/trace"))
    if as_json:
        print_json(found)
        return
    event = f"[bold]{found['type']}[/] {found['id']} of {found['subject']}"
    tree = Tree(f"{event}: {found['outcome']}")
    received, processed = found["received"], found["processed"]
    tree.add(f"{received['at']}  received, request {received['correlation_id']}")
    if processed is not None:
        tree.add(
            f"{processed['at']}  processed {processed['latency_ms']:,.1f} ms later, "
            f"one of {processed['events']}"
        )
    _add_letters(tree, found["dead_letters"])
    for fact in [*found["facts"], *found["next_facts"]]:
        branch = tree.add(f"{fact['occurred_at']}  told {fact['type']}")
        for handling in fact["handled"]:
            branch.add(f"{handling['at']}  handled by {handling['consumer']}")
        _add_letters(branch, fact["dead_letters"])
    console().print(tree)


def _add_letters(tree: Tree, letters: list[Json]) -> None:
    for letter in letters:
        tree.add(
            f"{letter['failed_at']}  failed for {letter['consumer']}, "
            f"{letter['status']}: {letter['error']} (dead letter {letter['id']})"
        )
