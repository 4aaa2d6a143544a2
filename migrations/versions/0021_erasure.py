"""Erasure: when a person was taken out of what is kept, and what became of it.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "users",
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        schema="identity",
    )
    op.add_column(
        "users",
        sa.Column("erasure", postgresql.JSONB(), nullable=True),
        schema="identity",
    )


def downgrade() -> None:
    op.drop_column("users", "erasure", schema="identity")
    op.drop_column("users", "erased_at", schema="identity")
