"""Authority limits, and roles of insurers' own.

Seeding gives each insurer those to start with; until then nobody approves anything.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_OWN: Final = "organisation_id = platform.acting_organisation()"
_TABLES: Final = ("authority_limits", "custom_roles")


def upgrade() -> None:
    op.create_table(
        "authority_limits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("decision", sa.String(length=32), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "num_nonnulls(role, user_id) = 1",
            name=op.f("ck_authority_limits_one_holder"),
        ),
        sa.CheckConstraint(
            "amount_minor >= 0", name=op.f("ck_authority_limits_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["identity.organisations.id"],
            name=op.f("fk_authority_limits_organisation_id_organisations"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["identity.users.id"],
            name=op.f("fk_authority_limits_user_id_users"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authority_limits")),
        schema="identity",
        comment="Up to what amount a role or a person may approve.",
    )
    op.create_index(
        "uq_authority_limits_in_force",
        "authority_limits",
        ["organisation_id", "decision", "currency", "role", "user_id"],
        unique=True,
        schema="identity",
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("status = 'approved'"),
    )
    op.create_index(
        "ix_authority_limits_organisation_id_id",
        "authority_limits",
        ["organisation_id", "id"],
        unique=False,
        schema="identity",
    )
    op.create_table(
        "custom_roles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("permissions", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["identity.organisations.id"],
            name=op.f("fk_custom_roles_organisation_id_organisations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_roles")),
        sa.UniqueConstraint(
            "organisation_id", "name", name=op.f("uq_custom_roles_organisation_id_name")
        ),
        schema="identity",
    )
    op.create_index(
        "ix_custom_roles_organisation_id_id",
        "custom_roles",
        ["organisation_id", "id"],
        unique=False,
        schema="identity",
    )
    for table in _TABLES:
        _keep_apart(f"identity.{table}")


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table, schema="identity")


def _keep_apart(table: str) -> None:
    """Let requests see and change what is their own organisation's."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own ON {table} TO robosure_app "
        f"USING ({_OWN}) WITH CHECK ({_OWN})"
    )
    op.execute(
        f"CREATE POLICY everything ON {table} "
        "TO robosure_platform, CURRENT_USER USING (true) WITH CHECK (true)"
    )
