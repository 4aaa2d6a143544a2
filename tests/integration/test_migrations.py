"""Migrations: up, down and up again; and what they make is what the code expects."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import main as alembic
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner, Result

from robosure.entrypoints.cli import app
from robosure.entrypoints.registry import NAMES, load_metadata
from robosure.kernel.ids import uuid7
from robosure.kernel.time import SystemClock
from robosure.platform import audit
from robosure.platform.audit.verifying import verify
from robosure.platform.database import Database
from robosure.platform.database.behalf import (
    APP_ROLE,
    NOBODY,
    OWNER,
    PLATFORM,
    PLATFORM_ROLE,
    on_behalf_of,
)
from robosure.platform.database.migrations import (
    HISTORY_TABLE,
    downgrade,
    is_ours,
    upgrade,
)
from robosure.platform.database.session import throwaway_engine
from robosure.platform.settings import get_settings

_ROOT = Path(__file__).parents[2]
_OURS = {*NAMES, "platform"}


@pytest.fixture(scope="module")
async def url(worker_number: int) -> AsyncIterator[str]:
    """A database of its own, migrated by ``robosure migrate`` from nothing."""
    base = make_url(os.environ["ROBOSURE_TEST_DATABASE_URL"])
    name = f"migrated_{worker_number}"
    engine = throwaway_engine(base.render_as_string(hide_password=False))
    async with engine.connect() as connection:
        admin = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        await admin.execute(text(f"CREATE DATABASE {name}"))
        yield base.set(database=name).render_as_string(hide_password=False)
        await admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.fixture(autouse=True)
async def _migrated(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.chdir(_ROOT)
    get_settings.cache_clear()
    result = await migrate()
    assert result.exit_code == 0, result.output
    yield
    get_settings.cache_clear()


@pytest.fixture
async def connection(url: str) -> AsyncIterator[AsyncConnection]:
    engine = throwaway_engine(url)
    async with engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")
    await engine.dispose()


async def migrate() -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["migrate"]))


async def our_schemas(connection: AsyncConnection) -> set[str]:
    found = await connection.execute(text("SELECT nspname FROM pg_namespace"))
    return _OURS & set(found.scalars())


async def revision(connection: AsyncConnection) -> str | None:
    found = await connection.execute(text(f"SELECT version_num FROM {HISTORY_TABLE}"))
    return found.scalar_one_or_none()


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": is_ours,
            "version_table": HISTORY_TABLE,
            "compare_type": True,
            "compare_server_default": True,
        },
    )
    return list(compare_metadata(context, load_metadata()))


async def test_it_goes_up_down_and_up_again(connection: AsyncConnection) -> None:
    # given a migrated database
    newest = await revision(connection)
    assert newest is not None
    assert await our_schemas(connection) == _OURS
    # when it is taken down, then nothing of ours is left
    await asyncio.to_thread(alembic, ["downgrade", "base"])
    assert await revision(connection) is None
    assert await our_schemas(connection) == set()
    rest = "SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace"
    leftovers = await connection.scalar(
        text(f"{rest} WHERE nspname = 'public' AND typname NOT LIKE '%alembic_version'")
    )
    assert leftovers == 0
    # when it is brought up again, then all of it is there
    await asyncio.to_thread(alembic, ["upgrade", "head"])
    assert await revision(connection) == newest
    assert await our_schemas(connection) == _OURS


async def test_migrations_make_the_tables_that_the_code_describes(
    connection: AsyncConnection,
) -> None:
    assert await connection.run_sync(differences) == []


async def test_migrating_again_changes_nothing(connection: AsyncConnection) -> None:
    before = await revision(connection)
    result = await migrate()
    assert result.exit_code == 0
    assert await revision(connection) == before


@pytest.fixture
async def _newer(connection: AsyncConnection) -> AsyncIterator[None]:
    """The database as a later version of Robosure leaves it."""
    before = await revision(connection)
    change = text(f"UPDATE {HISTORY_TABLE} SET version_num = :revision")
    await connection.execute(change, {"revision": "9999_from_later"})
    yield
    await connection.execute(change, {"revision": before})


@pytest.mark.usefixtures("_newer")
async def test_a_newer_schema_is_refused_with_one_line(
    connection: AsyncConnection,
) -> None:
    result = await migrate()
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "robosure: the database is at revision 9999_from_later, which this version of "
        "Robosure does not know; run the version that migrated it, or a newer one\n"
    )
    assert await revision(connection) == "9999_from_later"


async def test_entries_from_before_the_chain_stay_and_are_verified_as_unchained(
    url: str, connection: AsyncConnection
) -> None:
    # given an installation of the version before, with an entry
    await asyncio.to_thread(alembic, ["downgrade", "0016-1"])
    await connection.execute(
        text(
            "INSERT INTO platform.audit_entries (id, at, actor_name, action, subject) "
            "VALUES (gen_random_uuid(), now(), 'Ada', 'POST /x', '{}')"
        )
    )
    # when it is brought up, and something else is done
    await asyncio.to_thread(alembic, ["upgrade", "head"])
    database = Database(url)
    async with database.write() as session:
        audit.record(
            session, principal=None, action="y", subject={}, clock=SystemClock()
        )
    # then one is chained, and the other is not
    (chain,) = (await verify(database)).chains
    assert (chain.entries, chain.unchained, chain.broken) == (1, 1, None)
    # and the version before finds both
    await asyncio.to_thread(alembic, ["downgrade", "0016-1"])
    found = await connection.execute(text("SELECT action FROM platform.audit_entries"))
    assert set(found.scalars()) == {"POST /x", "y"}
    await asyncio.to_thread(alembic, ["upgrade", "head"])
    (chain,) = (await verify(database)).chains
    assert (chain.entries, chain.unchained, chain.broken) == (0, 2, None)
    await database.close()


async def test_timelines_from_before_point_at_adjusters_instead_of_naming_them(
    connection: AsyncConnection,
) -> None:
    # given a claim of the version before that went to three adjusters, one after the
    # other: one who is called so still, one who is not, and one of two namesakes
    await asyncio.to_thread(alembic, ["downgrade", "0023"])
    first, last, namesake = uuid7(), uuid7(), uuid7()
    insurer, claim = uuid7(), uuid7()
    people = ((first, "Grace"), (last, "Ada"), (namesake, "Ada"))
    for user_id, name in people:
        await connection.execute(
            text(
                "INSERT INTO claims.adjusters VALUES (:id, :insurer, :name, '[]', true)"
            ),
            {"id": user_id, "insurer": insurer, "name": name},
        )
    await connection.execute(
        text(_CLAIM), {"id": claim, "insurer": insurer, "adjuster": last}
    )
    for name in ("Grace", "Mary", "Ada", "Ada"):
        await connection.execute(
            text(
                "INSERT INTO claims.timeline (id, claim_id, at, what, details) VALUES "
                "(:id, :claim, now(), 'assigned', jsonb_build_object('adjuster', "
                "CAST(:name AS text)))"
            ),
            {"id": uuid7(), "claim": claim, "name": name},
        )
    # when it is brought up, then who is known is pointed at, and nobody is named
    await asyncio.to_thread(alembic, ["upgrade", "head"])
    assert await assignments(connection) == [str(first), None, None, str(last)]
    # and the record is only added to, as before
    with pytest.raises(DBAPIError, match="only ever added to"):
        await connection.execute(text("UPDATE claims.timeline SET details = '{}'"))
    # and the version before finds names
    await asyncio.to_thread(alembic, ["downgrade", "0023"])
    assert await assignments(connection) == ["Grace", None, None, "Ada"]
    await asyncio.to_thread(alembic, ["downgrade", "base"])


async def assignments(connection: AsyncConnection) -> list[str | None]:
    query = "SELECT details ->> 'adjuster' FROM claims.timeline ORDER BY id"
    return list((await connection.execute(text(query))).scalars())


_CLAIM = """
    INSERT INTO claims.claims (
      id, version, number, policy_id, policy_number, insurer_id, holder_id, robot_id,
      robot_class, incident_type, incident_at, description, estimated_loss_minor,
      currency, injury, contact_name, reported_by, reported_at, severity, flags, status,
      adjuster_id, happenings)
    VALUES (
      :id, 1, 'CLM-2026-000001', :id, 'POL-2026-000001', :insurer, :id, :id, 'cobot',
      'fire', now(), 'It burnt.', 1, 'EUR', false, 'Eve', :id, now(), 'standard', '[]',
      'assigned', :adjuster, 4)
"""


async def test_the_application_role_adds_to_the_audit_trail_and_no_more(
    connection: AsyncConnection,
) -> None:
    # given an installation that has the role
    await asyncio.to_thread(alembic, ["downgrade", "0016-1"])
    create = """
        DO $$ BEGIN
          CREATE ROLE robosure_app;
        EXCEPTION WHEN duplicate_object THEN NULL;
        END $$
        """
    await connection.execute(text(create))
    grant = "GRANT ALL ON ALL TABLES IN SCHEMA platform TO robosure_app"
    await connection.execute(text(grant))
    # when
    await asyncio.to_thread(alembic, ["upgrade", "head"])
    # then
    granted = await connection.execute(
        text(
            "SELECT table_name, privilege_type "
            "FROM information_schema.role_table_grants WHERE grantee = 'robosure_app' "
            "AND table_name IN ('audit_entries', 'audit_heads')"
        )
    )
    assert sorted(map(tuple, granted)) == [
        ("audit_entries", "INSERT"),
        ("audit_entries", "SELECT"),
        ("audit_heads", "INSERT"),
        ("audit_heads", "SELECT"),
        ("audit_heads", "UPDATE"),
    ]


@pytest.fixture
async def plain_url(url: str) -> AsyncIterator[str]:
    """A database of somebody who may do nothing but own it."""
    engine = throwaway_engine(url)
    async with engine.connect() as connection:
        admin = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in (
            "CREATE ROLE plain LOGIN PASSWORD 'plain'",
            "CREATE DATABASE plain OWNER plain",
        ):
            await admin.execute(text(statement))
        plain = make_url(url).set(username="plain", password="plain", database="plain")
        yield plain.render_as_string(hide_password=False)
        for statement in ("DROP DATABASE plain WITH (FORCE)", "DROP ROLE plain"):
            await admin.execute(text(statement))
    await engine.dispose()


async def test_who_may_not_make_roles_finds_them_there(
    plain_url: str, connection: AsyncConnection
) -> None:
    # given a server that has the roles, and somebody who is a member of neither
    with pytest.raises(ProgrammingError, match="permission denied to set role"):
        await asyncio.to_thread(upgrade, plain_url)
    # when they are made one
    roles = f"{APP_ROLE}, {PLATFORM_ROLE}"
    await connection.execute(text(f"GRANT {roles} TO plain"))
    await asyncio.to_thread(upgrade, plain_url)
    # then row security holds for requests, and neither for the platform nor the owner
    database = Database(plain_url)
    adding = text(
        "INSERT INTO notifications.recipients (organisation_id, name, email) "
        "VALUES (gen_random_uuid(), 'a', 'a@example.com')"
    )
    counting = text("SELECT count(*) FROM notifications.recipients")
    seen: list[int] = []
    with on_behalf_of(PLATFORM):
        async with database.write() as session:
            await session.execute(adding)
    for behalf in (NOBODY, PLATFORM, OWNER):
        with on_behalf_of(behalf):
            async with database.read() as session:
                seen.append((await session.execute(counting)).scalar_one())
    await database.close()
    assert seen == [0, 1, 1]
    # and it goes down again, and leaves the roles
    await asyncio.to_thread(downgrade, plain_url, "base")
