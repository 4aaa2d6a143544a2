"""How a provider's people prove who they are, and what it said of each session.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "identity_providers",
        sa.Column(
            "authentication", postgresql.JSONB(), nullable=False, server_default="{}"
        ),
        schema="identity",
    )
    op.alter_column(
        "identity_providers", "authentication", server_default=None, schema="identity"
    )
    op.add_column(
        "sessions",
        sa.Column("vouching", postgresql.JSONB(), nullable=True),
        schema="identity",
    )
    op.create_index(
        "ix_sessions_vouching",
        "sessions",
        [
            sa.text("(vouching ->> 'provider_id')"),
            sa.text("((vouching -> 'said') ->> 'session')"),
        ],
        schema="identity",
        postgresql_where=sa.text("vouching IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_sessions_vouching", "sessions", schema="identity")
    op.drop_column("sessions", "vouching", schema="identity")
    op.drop_column("identity_providers", "authentication", schema="identity")
