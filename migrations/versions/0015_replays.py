"""Replays of projections.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replays",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("projection", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=True),
        sa.Column("cancelling", sa.Boolean(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fact_position", sa.BigInteger(), nullable=False),
        sa.Column("event_position", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("worked_seconds", sa.Float(), nullable=False),
        sa.Column("analyzed", sa.Boolean(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=True),
        sa.Column("lock_attempts", sa.Integer(), nullable=False),
        sa.Column("rows", postgresql.JSONB(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replays")),
        schema="platform",
    )
    op.create_index(
        "uq_replays_under_way",
        "replays",
        ["projection"],
        unique=True,
        schema="platform",
        postgresql_where=sa.text("status IN ('waiting', 'running')"),
    )
    op.create_index(
        "ix_replays_kept_until",
        "replays",
        ["kept_until"],
        unique=False,
        schema="platform",
        postgresql_where=sa.text("kept_until IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute(
        """
        DO $$
        DECLARE side name;
        BEGIN
          FOR side IN
            SELECT nspname FROM pg_namespace WHERE nspname ~ '^replay_[0-9a-f]{32}$'
          LOOP
            EXECUTE format('DROP SCHEMA %I CASCADE', side);
          END LOOP;
        END $$
        """
    )
    op.drop_table("replays", schema="platform")
