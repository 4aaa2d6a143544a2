"""Facts about a robot are found by it, and by when they were told.

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_outbox_of_robots",
        "outbox",
        [sa.text("(payload ->> 'robot_id')"), "occurred_at"],
        schema="platform",
        postgresql_where=sa.text("payload ->> 'robot_id' IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_of_robots", "outbox", schema="platform")
