"""Seeding: each context writes its own."""

from __future__ import annotations

from typing import Any

import pytest

from robosure.entrypoints import seed as module
from robosure.platform.context import Context
from robosure.platform.database import Database
from robosure.platform.settings import Settings


class Pool(Database):
    """A database that only remembers whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    pool = Pool()
    monkeypatch.setattr(Database, "from_settings", lambda _: pool)
    return pool


def contexts(monkeypatch: pytest.MonkeyPatch, *found: Context) -> None:
    monkeypatch.setattr(module, "load", lambda: found)


async def test_contexts_are_seeded_in_order_and_those_without_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    seeded: list[Any] = []

    async def first(database: Database, settings: Settings) -> None:
        seeded.append(("first", database, settings))

    async def last(database: Database, settings: Settings) -> None:
        seeded.append(("last", database, settings))

    contexts(
        monkeypatch,
        Context(name="a", seed=first),
        Context(name="b"),
        Context(name="c", seed=last),
    )
    settings = Settings(_env_file=None)
    await module.seed(settings)
    assert seeded == [("first", pool, settings), ("last", pool, settings)]
    assert pool.closed


async def test_connections_are_closed_where_seeding_fails(
    monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    async def fail(database: Database, settings: Settings) -> None:
        raise RuntimeError("no such table")

    contexts(monkeypatch, Context(name="a", seed=fail))
    with pytest.raises(RuntimeError, match="no such table"):
        await module.seed(Settings(_env_file=None))
    assert pool.closed
