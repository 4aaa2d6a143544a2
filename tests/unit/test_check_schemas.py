"""The check that keeps schemas apart has to be able to fail."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table

from scripts.check_schemas import crossing_source, crossing_tables

TABLES = {"policies.policies", "claims.claims", "platform.outbox"}


def two_contexts(*, foreign_key: str, schema: str | None = "claims") -> list[str]:
    metadata = MetaData()
    for name in ("policies", "parties"):
        Table(name, metadata, Column("id", Integer), schema="policies")
    parent = Column("parent_id", Integer, ForeignKey(foreign_key))
    Table("claims", metadata, Column("id", Integer), parent, schema=schema)
    owners = dict.fromkeys(("policies.policies", "policies.parties"), "policies")
    owners[f"{schema}.claims" if schema else "claims"] = "claims"
    return list(crossing_tables(metadata, owners))


def test_a_foreign_key_within_its_schema_is_allowed() -> None:
    assert two_contexts(foreign_key="claims.claims.id") == []


def test_a_foreign_key_into_another_schema_is_found() -> None:
    assert two_contexts(foreign_key="policies.policies.id") == [
        "claims.claims.parent_id: foreign key to policies.policies.id"
    ]


def test_a_table_in_another_contexts_schema_is_found() -> None:
    assert two_contexts(foreign_key="policies.parties.id", schema="policies") == [
        "policies.claims: lies in schema policies, belongs in claims"
    ]


def test_a_table_without_a_schema_is_found() -> None:
    assert two_contexts(foreign_key="claims.id", schema=None) == [
        "claims: lies in schema None, belongs in claims"
    ]


def test_a_table_of_no_context_belongs_to_the_platform() -> None:
    metadata = MetaData()
    Table("outbox", metadata, Column("id", Integer), schema="platform")
    Table("strays", metadata, Column("id", Integer), schema="policies")
    assert list(crossing_tables(metadata, {})) == [
        "policies.strays: lies in schema policies, belongs in platform"
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM policies.policies",
        "SELECT * FROM claims.claims c JOIN policies.policies p ON p.id = c.policy_id",
        "select * from claims.claims, policies.policies",
        'SELECT * FROM "policies"."policies"',
        "UPDATE policies.policies SET number = ''",
        "INSERT INTO policies.policies VALUES (1)",
        "ALTER TABLE claims.claims ADD FOREIGN KEY (p) REFERENCES policies.policies",
    ],
)
def test_sql_that_names_another_schema_is_found(statement: str) -> None:
    source = f"STATEMENT = text({statement!r})"
    assert list(crossing_source(source, context="claims", tables=TABLES)) == [
        "line 1: SQL names policies.policies"
    ]


@pytest.mark.parametrize(
    "source",
    [
        "text('SELECT * FROM claims.claims')",
        "text('SELECT * FROM platform.outbox')",
        "log('policies.policies is where policies lie')",
        "'''Prose: copies what comes from policies, see policies.policies_v2.'''",
        "from robosure.contexts.policies.events import PolicyBound",
        "from robosure.contexts.claims.tables import claims",
    ],
)
def test_source_that_stays_at_home_is_allowed(source: str) -> None:
    assert list(crossing_source(source, context="claims", tables=TABLES)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from robosure.contexts.policies.tables import policies",
        "from robosure.contexts.policies import tables",
        "import robosure.contexts.policies.tables as theirs",
    ],
)
def test_an_import_of_another_contexts_tables_is_found(statement: str) -> None:
    assert list(crossing_source(statement, context="claims", tables=TABLES)) == [
        "line 1: imports robosure.contexts.policies.tables"
    ]
