"""An audit trail that is chained, and only ever added to.

What is there stays as it is, without a place in a chain; so do the entries of processes
of the version before, as long as some run. Indexes are made beside what writes.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ENTRIES = "platform.audit_entries"
_HEADS = "platform.audit_heads"
_COLUMNS: tuple[tuple[str, sa.types.TypeEngine[object]], ...] = (
    ("sequence", sa.BigInteger()),
    ("actor_kind", sa.String(length=16)),
    ("actor_organisation_id", sa.Uuid()),
    ("object_type", sa.Text()),
    ("object_id", sa.Text()),
    ("objects", postgresql.ARRAY(sa.Text())),
    ("changes", postgresql.JSONB()),
    ("address", sa.Text()),
    ("user_agent", sa.Text()),
    ("outcome", sa.String(length=16)),
    ("previous_hash", sa.LargeBinary(length=32)),
    ("hash", sa.LargeBinary(length=32)),
)
_CHAINED = "uq_audit_entries_organisation_id_sequence"
_INDEXES = {
    _CHAINED: "(organisation_id, sequence) NULLS NOT DISTINCT "
    "WHERE sequence IS NOT NULL",
    "ix_audit_entries_actor_id": "(actor, id)",
    "ix_audit_entries_objects": "USING gin (objects)",
    "ix_audit_entries_at": "USING brin (at)",
}
_GUARDS = (
    """
    CREATE FUNCTION platform.refuse_audit_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = 'the audit trail is only ever added to';
    END $$
    """,
    f"""
    CREATE TRIGGER audit_entries_immutable BEFORE UPDATE OR DELETE OR TRUNCATE
    ON {_ENTRIES} FOR EACH STATEMENT EXECUTE FUNCTION platform.refuse_audit_change()
    """,
    f"""
    CREATE TRIGGER audit_heads_stay BEFORE DELETE OR TRUNCATE
    ON {_HEADS} FOR EACH STATEMENT EXECUTE FUNCTION platform.refuse_audit_change()
    """,
    f"""
    CREATE TRIGGER audit_heads_go_on BEFORE UPDATE ON {_HEADS} FOR EACH ROW
    WHEN (
      NEW.organisation_id <> OLD.organisation_id
      OR NEW.count <> OLD.count + 1
      OR NEW.previous_hash <> OLD.hash
    )
    EXECUTE FUNCTION platform.refuse_audit_change()
    """,
)
# The role that serves requests, where it is not the owner of the tables.
_REVOKE = """
    DO $$
    BEGIN
      IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'robosure_app') THEN
        REVOKE ALL ON platform.audit_entries, platform.audit_heads FROM robosure_app;
        GRANT SELECT, INSERT ON platform.audit_entries TO robosure_app;
        GRANT SELECT, INSERT, UPDATE ON platform.audit_heads TO robosure_app;
      END IF;
    END $$
    """


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _clear_what_an_interrupted_run_left()
    for name, type_ in _COLUMNS:
        op.add_column(
            "audit_entries", sa.Column(name, type_, nullable=True), schema="platform"
        )
    with op.get_context().autocommit_block():
        for name, columns in _INDEXES.items():
            unique = "UNIQUE" if name == _CHAINED else ""
            op.execute(
                f"CREATE {unique} INDEX CONCURRENTLY {name} ON {_ENTRIES} {columns}"
            )
    op.create_table(
        "audit_heads",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_audit_heads")),
        schema="platform",
        comment="The last entry of each organisation's chain, and how many there are.",
    )
    for statement in _GUARDS:
        op.execute(statement)
    op.execute(_REVOKE)


def downgrade() -> None:
    """Take the chains away; entries stay, as the version before knows them."""
    op.execute(f"DROP TRIGGER audit_entries_immutable ON {_ENTRIES}")
    op.drop_table("audit_heads", schema="platform")
    op.execute("DROP FUNCTION platform.refuse_audit_change()")
    for name in _INDEXES:
        op.drop_index(name, table_name="audit_entries", schema="platform")
    for name, _ in reversed(_COLUMNS):
        op.drop_column("audit_entries", name, schema="platform")


def _clear_what_an_interrupted_run_left() -> None:
    """Drop columns, and with them indexes, that a run made which broke off."""
    for name, _ in _COLUMNS:
        op.execute(f"ALTER TABLE {_ENTRIES} DROP COLUMN IF EXISTS {name}")
    for name in _INDEXES:
        op.execute(f"DROP INDEX IF EXISTS platform.{name}")
