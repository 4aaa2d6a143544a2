"""Identity providers, and whom they mean by their subjects.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_POLICIES: Final = {
    "identity.identity_providers": "organisation_id = platform.acting_organisation()",
    "identity.external_identities": "EXISTS (SELECT FROM identity.users u "
    "WHERE u.id = external_identities.user_id)",
}


def upgrade() -> None:
    op.create_table(
        "identity_providers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "oidc", "oauth2", name="providerkind", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("endpoints", postgresql.JSONB(), nullable=True),
        sa.Column("subject_claim", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(), nullable=False),
        sa.Column("roles_claim", sa.Text(), nullable=True),
        sa.Column("role_mapping", postgresql.JSONB(), nullable=False),
        sa.Column("default_roles", postgresql.JSONB(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("just_in_time", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["identity.organisations.id"],
            name=op.f("fk_identity_providers_organisation_id_organisations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_providers")),
        sa.UniqueConstraint(
            "organisation_id",
            "name",
            name=op.f("uq_identity_providers_organisation_id_name"),
        ),
        schema="identity",
    )
    op.create_index(
        "ix_identity_providers_organisation_id_id",
        "identity_providers",
        ["organisation_id", "id"],
        schema="identity",
    )
    op.create_table(
        "external_identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["identity.users.id"],
            name=op.f("fk_external_identities_user_id_users"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["identity.identity_providers.id"],
            name=op.f("fk_external_identities_provider_id_identity_providers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_identities")),
        sa.UniqueConstraint(
            "provider_id",
            "issuer",
            "subject",
            name=op.f("uq_external_identities_provider_id_issuer_subject"),
        ),
        schema="identity",
    )
    op.create_index(
        "ix_external_identities_user_id",
        "external_identities",
        ["user_id"],
        schema="identity",
    )
    for table, condition in _POLICIES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY own ON {table} TO robosure_app "
            f"USING ({condition}) WITH CHECK ({condition})"
        )
        op.execute(
            f"CREATE POLICY everything ON {table} "
            "TO robosure_platform, CURRENT_USER USING (true) WITH CHECK (true)"
        )


def downgrade() -> None:
    op.drop_table("external_identities", schema="identity")
    op.drop_table("identity_providers", schema="identity")
