"""What the audit trail costs a write: the same request with it and without.

    uv run benchmarks/access/audit.py --json audit.json

One process serves the application and asks it, without a socket between: a user's name
is changed, with PostgreSQL durable as in production. Blocks of requests with the trail
and without take turns, by one client and by sixteen of one organisation, who end their
transactions at one head; medians over the blocks are printed, and whether the chain is
whole in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import event

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.access.turns import run
from benchmarks.eventflow.stage import ADMIN, PASSWORD
from robosure.entrypoints.api import create_app
from robosure.platform import audit
from robosure.platform.audit import changes, trail
from robosure.platform.audit.verifying import verify
from robosure.platform.database import Database
from robosure.platform.database.session import TellingSession
from robosure.platform.settings import get_settings

_CLIENTS: Final = (1, 16)
_HOOKS: Final = (
    ("after_flush", changes._note),  # noqa: SLF001 - what is switched off
    ("before_commit", trail._write),  # noqa: SLF001
)


@contextmanager
def without_trail() -> Iterator[None]:
    """Switch the trail off, hooks and all."""
    record = audit.record
    for name, hook in _HOOKS:
        event.remove(TellingSession, name, hook)
    audit.record = lambda *_, **__: None
    try:
        yield
    finally:
        audit.record = record
        for name, hook in _HOOKS:
            event.listen(TellingSession, name, hook)


async def block(
    client: httpx.AsyncClient, users: list[str], *, requests: int
) -> list[float]:
    """Change each user's name so often, users at once; return the milliseconds."""
    taken: list[float] = []

    async def one(user: str) -> None:
        for number in range(requests // len(users)):
            began = time.perf_counter()
            answer = await client.patch(
                f"/api/v1/users/{user}", json={"name": f"{number} {began}"}
            )
            taken.append(1e3 * (time.perf_counter() - began))
            answer.raise_for_status()

    await asyncio.gather(*map(one, users))
    return taken


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make all blocks in turn, and return the medians."""
    app = create_app()
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://bench", timeout=60
        ) as client:
            users = await _users(client, max(_CLIENTS))
            found = {
                f"{clients}_clients": await _turns(client, users[:clients], arguments)
                for clients in _CLIENTS
            }
    database = Database.from_settings(get_settings())
    chains = await verify(database)
    await database.close()
    entries = sum(each.entries for each in chains.chains)
    return {**found, "entries": entries, "whole": chains.whole}


async def _turns(
    client: httpx.AsyncClient, users: list[str], arguments: argparse.Namespace
) -> dict[str, float]:
    with_it: list[dict[str, float]] = []
    without: list[dict[str, float]] = []
    for turn in range(arguments.rounds + 1):  # the first warms up
        for figures in (with_it, without) if turn % 2 else (without, with_it):
            began, cpu = time.perf_counter(), time.process_time()
            if figures is without:
                with without_trail():
                    taken = await block(client, users, requests=arguments.requests)
            else:
                taken = await block(client, users, requests=arguments.requests)
            seconds = time.perf_counter() - began
            if turn:
                figures.append(
                    {
                        "p50_ms": statistics.median(taken),
                        "p95_ms": statistics.quantiles(taken, n=20)[-1],
                        "requests_per_s": len(taken) / seconds,
                        "cpu_ms": 1e3 * (time.process_time() - cpu) / len(taken),
                    }
                )
    return {
        f"{name}_{figure}": round(statistics.median(e[figure] for e in each), 3)
        for name, each in (("with", with_it), ("without", without))
        for figure in each[0]
    }


async def _users(client: httpx.AsyncClient, count: int) -> list[str]:
    body = {"email": ADMIN, "password": PASSWORD}
    token = (await client.post("/api/v1/auth/sign-in", json=body)).json()
    client.headers["Authorization"] = f"Bearer {token['access_token']}"
    users: list[str] = []
    for number in range(count):
        user = {
            "email": f"{number}@bench.example",
            "name": "Bench",
            "password": "long enough for a bench",
            "roles": ["support"],
        }
        made = await client.post("/api/v1/users", json=user)
        made.raise_for_status()
        users.append(made.json()["id"])
    return users


if __name__ == "__main__":
    run(measure, __doc__, requests=480, ROBOSURE_RATE_LIMIT_WRITE="0")
