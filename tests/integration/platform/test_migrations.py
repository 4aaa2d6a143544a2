"""Migrations: a database of a newer version is refused, and so is none other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import make_url

from robosure.platform.database.migrations import (
    NewerSchemaError,
    config_for,
    is_ours,
    refuse_newer_schema,
)
from robosure.platform.database.session import throwaway_engine


@pytest.fixture
async def new_database(database_url: str, worker_number: int) -> AsyncIterator[str]:
    """An empty database of the test's own."""
    name = f"empty_{worker_number}"
    server = throwaway_engine(
        make_url(database_url).set(database="postgres").render_as_string(False)
    )
    async with server.connect() as connection:
        admin = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        await admin.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(database_url).set(database=name).render_as_string(False)
        await admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await server.dispose()


async def stamp(url: str, revision: str) -> None:
    engine = throwaway_engine(url)
    async with engine.begin() as connection:
        await connection.execute(
            text("CREATE TABLE alembic_version (version_num text)")
        )
        await connection.execute(
            text("INSERT INTO alembic_version VALUES (:revision)"),
            {"revision": revision},
        )
    await engine.dispose()


async def test_a_new_database_is_welcome(new_database: str) -> None:
    await refuse_newer_schema(new_database)


async def test_a_revision_that_this_code_has_never_heard_of_is_refused(
    new_database: str,
) -> None:
    await stamp(new_database, "from_the_future")
    with pytest.raises(NewerSchemaError, match="at revision from_the_future"):
        await refuse_newer_schema(new_database)


async def test_a_database_of_this_version_is_welcome(new_database: str) -> None:
    scripts = ScriptDirectory.from_config(config_for(new_database))
    for head in scripts.get_heads():
        await stamp(new_database, head)
        await refuse_newer_schema(new_database)


def test_a_percent_sign_in_the_url_survives_the_configuration() -> None:
    url = "postgresql+asyncpg://me:p%40ss@db/x"
    assert config_for(url).get_main_option("sqlalchemy.url") == url


@pytest.mark.parametrize(
    ("name", "kind", "ours"),
    [
        ("platform", "schema", True),
        ("pg_catalog", "schema", False),
        ("testing", "schema", False),
        ("any", "table", True),
    ],
)
def test_only_our_schemas_are_compared(name: str, kind: str, ours: bool) -> None:
    assert is_ours(name, kind, {}) is ours
