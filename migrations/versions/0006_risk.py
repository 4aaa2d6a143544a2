"""The context risk: its schema and tables.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA risk")
    op.create_table(
        "models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("limits", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        schema="risk",
    )
    op.create_table(
        "robots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("manufacturer_id", sa.Uuid(), nullable=True),
        sa.Column("stale_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled", postgresql.JSONB(), nullable=True),
        sa.Column("score_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_robots")),
        schema="risk",
    )
    op.create_index(
        "ix_robots_model_id", "robots", ["model_id"], unique=False, schema="risk"
    )
    op.create_index(
        "ix_robots_stale_since",
        "robots",
        ["stale_since"],
        unique=False,
        schema="risk",
        postgresql_where=sa.text("stale_since IS NOT NULL"),
    )
    op.create_table(
        "samples",
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("protective_stop", sa.Boolean(), nullable=True),
        sa.Column("grip_lost", sa.Boolean(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("joint_currents", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("joint_temperatures", sa.ARRAY(sa.Integer()), nullable=False),
        sa.PrimaryKeyConstraint("robot_id", "at", "key", name=op.f("pk_samples")),
        schema="risk",
    )
    op.create_table(
        "scores",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        sa.Column("model_version", sa.String(length=16), nullable=False),
        sa.Column("score", sa.Numeric(precision=4, scale=1), nullable=False),
        sa.Column("band", sa.String(length=16), nullable=False),
        sa.Column("multiplier", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("factors", postgresql.JSONB(), nullable=False),
        sa.Column("credibility", postgresql.JSONB(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("score BETWEEN 0 AND 100", name=op.f("ck_scores_score")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scores")),
        schema="risk",
    )
    op.create_index(
        "ix_scores_robot_id_id",
        "scores",
        ["robot_id", "id"],
        unique=False,
        schema="risk",
    )
    op.create_table(
        "windows",
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exposure", postgresql.JSONB(), nullable=False),
        sa.Column("stale_from", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("robot_id", "starts_at", name=op.f("pk_windows")),
        schema="risk",
    )
    op.create_index(
        "ix_windows_stale",
        "windows",
        ["robot_id", "starts_at"],
        unique=False,
        schema="risk",
        postgresql_where=sa.text("stale_from IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA risk CASCADE")
