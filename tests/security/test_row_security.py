"""Row-level security: PostgreSQL refuses what a query forgot to leave out."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Table, text, true
from sqlalchemy.exc import DBAPIError

from robosure.contexts.claims.queries import ClaimQueries
from robosure.contexts.eventflow.queries import Sight
from robosure.contexts.identity.queries import AuthorityQueries, DirectoryQueries
from robosure.contexts.payments.queries import PaymentQueries
from robosure.contexts.policies import queries as policy_queries
from robosure.contexts.risk.queries import RiskQueries
from robosure.contexts.robots.queries import RobotQueries
from robosure.entrypoints.registry import load_metadata
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.database.behalf import (
    APP_ROLE,
    NOBODY,
    PLATFORM,
    PLATFORM_ROLE,
    Behalf,
    on_behalf_of,
    organisation,
)
from robosure.platform.http import access
from robosure.platform.outages import sqlstate_of
from tests.security.matrix.estate import Estate
from tests.security.matrix.people import PEOPLE
from tests.security.matrix.realm import Realm
from tests.security.matrix.rows import MATRIX

OPEN: Final = {
    "catalog.product_versions": "everybody may read what is sold",
    "catalog.products": "everybody may read what is sold",
    "eventflow.archives": "files of all robots' events, which only insurers look at",
    "eventflow.batches": "bookkeeping of what arrived, which no route shows",
    "platform.audit_entries": "written by all, and read by compliance alone",
    "platform.audit_heads": "the end of each chain, which its next entry needs",
    "platform.idempotency_keys": "found by whose key it is and nothing else",
    "platform.inbox": "which facts were handled",
    "platform.number_sequences": "the last number of each year",
    "platform.outbox": "facts to be told, which all write",
    "platform.redeliveries": "which events killed a worker",
    "platform.replays": "looked at by the platform's operators",
    "policies.organisations": "names of organisations",
    "policies.products": "everybody may read what is sold",
    "risk.models": "limits of models of robots, which manufacturers publish",
    "robots.integration_profiles": "mappings of telemetry, which all may use",
    "robots.organisations": "names of organisations",
    "robots.robot_models": "what manufacturers publish",
}
"""Tables without a policy, and why."""

_REFUSED: Final = "42501"


def _protected() -> list[Table]:
    tables = load_metadata().sorted_tables
    return [table for table in tables if table.fullname not in OPEN]


def _customers(estate: Estate) -> dict[str, Behalf]:
    kinds = ("operator", "manufacturer")
    return {kind: organisation(UUID(estate.ids[kind]), kind) for kind in kinds}


async def rows_seen(database: Database, table: Table, behalf: Behalf) -> set[str]:
    """Return all rows that a statement without any condition finds."""
    statement = text(f"SELECT CAST(to_jsonb(t) AS text) FROM {table.fullname} t")
    with on_behalf_of(behalf):
        async with database.read() as session:
            return set((await session.execute(statement)).scalars())


async def insertion(
    database: Database, table: Table, row: str, behalf: Behalf
) -> str | None:
    """Try to write a row; return the SQLSTATE of what came of it."""
    statement = text(
        f"INSERT INTO {table.fullname} OVERRIDING SYSTEM VALUE "
        f"SELECT * FROM jsonb_populate_record("
        f"CAST(NULL AS {table.fullname}), CAST(:row AS jsonb))"
    )
    with on_behalf_of(behalf):
        try:
            async with database.write() as session:
                await session.execute(statement, {"row": row})
                await session.rollback()
        except DBAPIError as error:
            return sqlstate_of(error)
    return None


async def test_every_table_has_row_security_or_a_reason_to_have_none(
    database: Database,
) -> None:
    statement = text(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relrowsecurity AND c.relforcerowsecurity AND n.nspname = ANY (:ours)"
    )
    tables = load_metadata().sorted_tables
    async with database.read() as session:
        # Tables that a replay left for looking at have their policies too.
        ours = {"ours": sorted({str(table.schema) for table in tables})}
        forced = set((await session.execute(statement, ours)).scalars())
    declared = {table.fullname for table in tables}
    assert OPEN.keys() <= declared
    assert forced == declared - OPEN.keys()


async def test_requests_and_the_platform_have_roles_that_own_and_bypass_nothing(
    database: Database,
) -> None:
    async with database.read() as session:
        roles = await session.execute(
            text(
                "SELECT rolname FROM pg_roles WHERE rolname = ANY (:names) "
                "AND NOT (rolsuper OR rolbypassrls OR rolcreaterole OR rolcanlogin) "
                "AND NOT EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid)"
            ),
            {"names": [APP_ROLE, PLATFORM_ROLE]},
        )
        assert set(roles.scalars()) == {APP_ROLE, PLATFORM_ROLE}


async def test_on_whose_behalf_travels_with_the_beginning(database: Database) -> None:
    sent: list[str] = []
    own = uuid7()
    async with database.engine.connect() as opened:
        raw = await opened.get_raw_connection()
        driver = raw.driver_connection
        assert isinstance(driver, asyncpg.Connection)
        with (
            driver.query_logger(lambda query: sent.append(query.query)),
            on_behalf_of(organisation(own, "operator")),
        ):
            who = await opened.execute(text("SELECT current_user"))
            assert who.scalar_one() == APP_ROLE
    beginning, *_ = sent
    assert beginning.startswith("BEGIN")
    assert f"SET LOCAL robosure.organisation_id = '{own}'" in beginning


async def test_a_kind_that_is_no_word_does_not_reach_the_database() -> None:
    with pytest.raises(ValueError, match="no kind of organisation"):
        organisation(uuid7(), "insurer'; RESET ROLE; --")


async def test_without_any_condition_nobody_sees_what_is_anothers(realm: Realm) -> None:
    database = realm.runtime.database
    own, others = _customers(realm.own), _customers(realm.others)
    another_insurer = organisation(uuid7(), "insurer")
    compared = 0
    for table in _protected():
        name = table.fullname
        # nobody sees nothing
        assert not await rows_seen(database, table, NOBODY), name
        # no customer sees what another sees
        for kind, behalf in own.items():
            seen = await rows_seen(database, table, behalf)
            anothers = await rows_seen(database, table, others[kind])
            assert not seen & anothers, name
            compared += bool(seen and anothers)
        # no insurer sees another's business
        if "insurer_id" in table.c:
            assert not await rows_seen(database, table, another_insurer), name
    # which says something, as there is something to see
    assert compared > 25


async def test_nobody_writes_for_another(realm: Realm) -> None:
    database = realm.runtime.database
    own, others = _customers(realm.own), _customers(realm.others)
    tried = 0
    for table in _protected():
        mine = await rows_seen(database, table, own["operator"])
        for row in sorted(mine)[:3]:
            came = await insertion(database, table, row, others["operator"])
            assert came == _REFUSED, f"{table.fullname}: {came}: {json.loads(row)}"
            tried += 1
    assert tried > 20


_FILTERS: Final[list[tuple[Any, str, Any]]] = [
    (AuthorityQueries, "_visible", lambda *_: true()),
    (ClaimQueries, "_visible", lambda *_: true()),
    (DirectoryQueries, "_manages_users", lambda *_: true()),
    (DirectoryQueries, "_own_role", lambda *_: true()),
    (DirectoryQueries, "_sees_organisation", lambda *_: true()),
    (PaymentQueries, "_visible", lambda *_: true()),
    (RiskQueries, "_visible", lambda *_: true()),
    (RobotQueries, "_sees", lambda *_: true()),
    (Sight, "all", property(lambda _: True)),
    (policy_queries, "_visible", lambda *_: true()),
]


async def _let_through(realm: Realm) -> set[str]:
    """Return the routes that show somebody what is another's to see."""
    shown: set[str] = set()
    for row in MATRIX:
        for person in PEOPLE:
            if row.method != "GET" or not person.may(row.access):
                continue
            client = person.client(realm.world)
            if row.lists and not row.is_shown_to(person.kind, own=False):
                answer = await realm.ask(client, row, person.kind)
                if realm.ids(row, "operator", own=False)[row.lists] in answer.text:
                    shown.add(row.route)
            elif row.others == 404 and not row.is_shown_to(person.kind, own=False):
                answer = await realm.ask(client, row, person.kind, own=False)
                counts_nothing = '"stored":0' in answer.text
                if answer.status_code != row.others and not counts_nothing:
                    shown.add(row.route)
    return shown


async def test_the_database_refuses_what_queries_no_longer_leave_out(
    realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given queries that leave nothing out
    for holder, name, everything in _FILTERS:
        assert hasattr(holder, name)
        monkeypatch.setattr(holder, name, everything)
    # then nobody is shown what is another's
    assert await _let_through(realm) == set()
    # which only the database sees to: on the platform's behalf they would be
    monkeypatch.setattr(access, "organisation", lambda *_: PLATFORM)
    assert len(await _let_through(realm)) > 12
