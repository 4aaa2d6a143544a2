"""Proofs that end the tokens before them, and second factors of slow telephones.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_SCHEMA: Final = "identity"


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column(
            "proven_generation", sa.Integer(), nullable=False, server_default="1"
        ),
        schema=_SCHEMA,
    )
    op.create_index(
        "ix_sessions_proven_at",
        "sessions",
        ["authenticated_at"],
        schema=_SCHEMA,
        postgresql_where=sa.text("proven_generation > 1"),
    )
    op.add_column(
        "sessions",
        sa.Column(
            "second_factor_due",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
        ),
        schema=_SCHEMA,
    )
    op.add_column(
        "second_factors",
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True),
        schema=_SCHEMA,
    )
    op.add_column(
        "password_letters",
        sa.Column("about_id", sa.Uuid(), nullable=True),
        schema=_SCHEMA,
    )
    op.add_column(
        "second_factors",
        sa.Column("ahead", sa.Integer(), nullable=False, server_default="0"),
        schema=_SCHEMA,
    )


def downgrade() -> None:
    op.execute("DELETE FROM identity.second_factors WHERE lost_at IS NOT NULL")
    op.execute("DELETE FROM identity.password_letters WHERE kind LIKE 'second_factor%'")
    op.drop_column("password_letters", "about_id", schema=_SCHEMA)
    op.drop_column("second_factors", "lost_at", schema=_SCHEMA)
    op.drop_column("sessions", "second_factor_due", schema=_SCHEMA)
    op.drop_column("second_factors", "ahead", schema=_SCHEMA)
    op.drop_index("ix_sessions_proven_at", "sessions", schema=_SCHEMA)
    op.drop_column("sessions", "proven_generation", schema=_SCHEMA)
