"""The context notifications: its schema and tables.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA notifications")
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum("email", "in_app", name="channel", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column(
            "template",
            sa.Enum(
                "policy_bound",
                "payment_taken",
                "payment_failed",
                "claim_received",
                "claim_decided",
                "claim_paid",
                name="template",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("reference", sa.String(length=32), nullable=False),
        sa.Column("insurer_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "sending",
                "sent",
                "failed",
                "uncertain",
                name="deliverystatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "event_id",
            "channel",
            "recipient",
            name=op.f("uq_deliveries_event_id_channel_recipient"),
        ),
        schema="notifications",
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["next_attempt_at"],
        unique=False,
        schema="notifications",
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_holder_id_channel_id",
        "deliveries",
        ["holder_id", "channel", "id"],
        unique=False,
        schema="notifications",
    )
    op.create_index(
        "ix_deliveries_insurer_id_id",
        "deliveries",
        ["insurer_id", "id"],
        unique=False,
        schema="notifications",
    )
    op.create_index(
        op.f("ix_deliveries_reference"),
        "deliveries",
        ["reference"],
        unique=False,
        schema="notifications",
    )
    op.create_table(
        "recipients",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_recipients")),
        schema="notifications",
        comment="A copy of what identity tells of organisations.",
    )
    op.create_table(
        "message_reads",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("reader_id", sa.Uuid(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["notifications.deliveries.id"],
            name=op.f("fk_message_reads_delivery_id_deliveries"),
        ),
        sa.PrimaryKeyConstraint(
            "delivery_id", "reader_id", name=op.f("pk_message_reads")
        ),
        schema="notifications",
        comment="Which user has read which message in the app.",
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA notifications CASCADE")
