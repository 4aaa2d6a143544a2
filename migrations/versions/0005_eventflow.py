"""The context eventflow: its schema and tables.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA eventflow")
    op.create_table(
        "events",
        sa.Column("uid", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_events")),
        sa.UniqueConstraint("source", "id", name=op.f("uq_events_source_id")),
        schema="eventflow",
    )
    op.create_index(
        "ix_events_subject_time",
        "events",
        ["subject", "time"],
        unique=False,
        schema="eventflow",
    )
    op.create_table(
        "extractions",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_extractions")),
        schema="eventflow",
    )
    op.create_index(
        "ix_extractions_due",
        "extractions",
        ["due_at"],
        unique=False,
        schema="eventflow",
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "failed_events",
        sa.Column("uid", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("traceback_digest", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_failed_events")),
        sa.UniqueConstraint("source", "id", name=op.f("uq_failed_events_source_id")),
        schema="eventflow",
    )
    op.create_index(
        "ix_failed_events_subject",
        "failed_events",
        ["subject"],
        unique=False,
        schema="eventflow",
    )
    op.create_table(
        "robots",
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("manufacturer_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("robot_id", name=op.f("pk_robots")),
        schema="eventflow",
    )
    op.create_index(
        "ix_robots_manufacturer_id",
        "robots",
        ["manufacturer_id"],
        unique=False,
        schema="eventflow",
    )
    op.create_index(
        "ix_robots_operator_id",
        "robots",
        ["operator_id"],
        unique=False,
        schema="eventflow",
    )
    op.create_table(
        "subject_counts",
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("repeated", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_subject_counts")),
        schema="eventflow",
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA eventflow CASCADE")
