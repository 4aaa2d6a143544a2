"""What access costs a read: the same request with each guard, and without it.

    uv run benchmarks/access/read.py --json read.json

One process serves the application and asks it, without a socket between: a user reads
their own account. Requests take turns: with everything, without one guard each, and
without any; medians are printed, and of each guard the difference that it makes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.access.audit import without_trail
from benchmarks.access.turns import run
from benchmarks.eventflow.stage import ADMIN, PASSWORD
from robosure.entrypoints.api import create_app
from robosure.platform.database.behalf import OWNER
from robosure.platform.http import access
from robosure.platform.http.limits import RateLimits
from robosure.platform.security import Principal

Without = Callable[[], AbstractContextManager[None]]


@contextmanager
def _replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        setattr(holder, name, before)


async def _uncounted(*_: Any) -> None:
    """Let every request pass."""


@contextmanager
def without_limits() -> Iterator[None]:
    """Count no requests."""
    with (
        _replaced(RateLimits, "count_address", _uncounted),
        _replaced(RateLimits, "count_subject", _uncounted),
    ):
        yield


@contextmanager
def without_row_security() -> Iterator[None]:
    """Begin transactions as the owner of the tables, whom no policy binds."""
    with _replaced(access, "organisation", lambda *_: OWNER):
        yield


@contextmanager
def without_authentication(principal: Principal) -> Iterator[None]:
    """Take everybody for one, whatever they present."""

    async def known(*_: Any, **__: Any) -> Principal:
        return principal

    with _replaced(access, "prove", known):
        yield


async def asked(client: httpx.AsyncClient, path: str) -> tuple[float, float]:
    """Ask once; return the milliseconds that it took, and those of the processor."""
    began, cpu = time.perf_counter(), time.process_time()
    answer = await client.get(path)
    taken = time.perf_counter() - began, time.process_time() - cpu
    answer.raise_for_status()
    return 1e3 * taken[0], 1e3 * taken[1]


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ask in turn, and return the medians."""
    app = create_app()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://bench/api/v1",
            timeout=60,
        ) as client,
    ):
        path, principal = await _prepared(client, app)

        def unauthenticated() -> AbstractContextManager[None]:
            return without_authentication(principal)

        guards: dict[str, Without] = {
            "authentication": unauthenticated,
            "rate_limit": without_limits,
            "row_security": without_row_security,
            "audit": without_trail,
        }
        return await _turns(client, path, guards, arguments)


async def _turns(
    client: httpx.AsyncClient,
    path: str,
    guards: dict[str, Without],
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    switched: dict[str, list[Without]] = {
        "all": [],
        **{f"without_{name}": [off] for name, off in guards.items()},
        "without_any": list(guards.values()),
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in switched}
    names, warm_up = list(switched), arguments.requests
    for turn in range(arguments.requests * arguments.rounds + warm_up):
        for name in names:
            with ExitStack() as stack:
                for off in switched[name]:
                    stack.enter_context(off())
                taken = await asked(client, path)
            if turn >= warm_up:
                figures[name].append(taken)
        names.append(names.pop(0))  # so that none is always after the same one
    p50, cpu_ms = (
        {name: statistics.median(e[of] for e in each) for name, each in figures.items()}
        for of in (0, 1)
    )
    return {
        "p50_ms": {name: round(value, 3) for name, value in p50.items()},
        "cpu_ms": {name: round(value, 3) for name, value in cpu_ms.items()},
        "costs_of_p50": {
            name: f"{1 - p50[f'without_{name}'] / p50['all']:.1%}"
            for name in (*guards, "any")
        },
    }


async def _prepared(client: httpx.AsyncClient, app: FastAPI) -> tuple[str, Principal]:
    """Sign in, and return what is to be read, and by whom."""
    body = {"email": ADMIN, "password": PASSWORD}
    token = (await client.post("/auth/sign-in", json=body)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    me = (await client.get("/auth/me")).json()
    edge = app.state.edge
    principal = edge.tokens.verify(token, now=edge.runtime.clock.now())
    return f"/users/{me['subject']}", principal


if __name__ == "__main__":
    run(measure, __doc__, requests=400)
