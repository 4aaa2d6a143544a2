"""Outgoing webhooks.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SCHEMA = "notifications"


def upgrade() -> None:
    # Wider text needs no rewriting; the row is what the lock waits for, briefly.
    op.alter_column(
        "deliveries", "reference", type_=sa.String(length=64), schema=_SCHEMA
    )
    _create_endpoints()
    _create_deliveries()
    _create_robots()


def _create_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("event_types", postgresql.JSONB(), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("secrets", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
        schema=_SCHEMA,
        comment="Where organisations want to be told of what concerns them.",
    )
    op.create_index(
        "ix_webhook_endpoints_organisation_id_id",
        "webhook_endpoints",
        ["organisation_id", "id"],
        schema=_SCHEMA,
    )
    op.create_table(
        "webhook_health",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("holds", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["notifications.webhook_endpoints.id"],
            name=op.f("fk_webhook_health_endpoint_id_webhook_endpoints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("endpoint_id", name=op.f("pk_webhook_health")),
        schema=_SCHEMA,
        comment="How endpoints have been answering; changes with every attempt.",
    )


def _create_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.String(length=32), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["notifications.webhook_endpoints.id"],
            name=op.f("fk_webhook_deliveries_endpoint_id_webhook_endpoints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint(
            "endpoint_id",
            "event_id",
            name=op.f("uq_webhook_deliveries_endpoint_id_event_id"),
        ),
        schema=_SCHEMA,
    )
    op.create_index(
        op.f("ix_webhook_deliveries_created_at"),
        "webhook_deliveries",
        ["created_at"],
        schema=_SCHEMA,
    )
    op.create_index(
        "ix_webhook_deliveries_endpoint_id_id",
        "webhook_deliveries",
        ["endpoint_id", "id"],
        schema=_SCHEMA,
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["endpoint_id", "next_attempt_at"],
        schema=_SCHEMA,
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_webhook_deliveries_sending",
        "webhook_deliveries",
        ["endpoint_id"],
        schema=_SCHEMA,
        postgresql_where=sa.text("status = 'sending'"),
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["notifications.webhook_deliveries.id"],
            name=op.f("fk_webhook_attempts_delivery_id_webhook_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_attempts")),
        schema=_SCHEMA,
    )
    op.create_index(
        op.f("ix_webhook_attempts_delivery_id"),
        "webhook_attempts",
        ["delivery_id"],
        schema=_SCHEMA,
    )


def _create_robots() -> None:
    op.create_table(
        "robots",
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("band", sa.String(length=16), nullable=True),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("robot_id", name=op.f("pk_robots")),
        schema=_SCHEMA,
        comment="The robots there are, and the band of risk last told of each.",
    )
    op.create_table(
        "robot_followers",
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint(
            "robot_id", "organisation_id", name=op.f("pk_robot_followers")
        ),
        schema=_SCHEMA,
        comment="Whom a robot concerns: its operator, its maker, and who insures it.",
    )
    # What was told before anybody listened is no longer in the streams.
    op.execute(
        "INSERT INTO notifications.robots (robot_id) SELECT id FROM robots.robots"
    )
    op.execute(
        """
        INSERT INTO notifications.robot_followers (robot_id, organisation_id)
        SELECT id, operator_id FROM robots.robots
        UNION
        SELECT id, manufacturer_id FROM robots.robots
        UNION
        SELECT (robot ->> 'robot_id')::uuid, insurer_id
        FROM policies.policies, jsonb_array_elements(robots) AS robot
        """
    )


def downgrade() -> None:
    for table in (
        "robot_followers",
        "robots",
        "webhook_attempts",
        "webhook_deliveries",
        "webhook_health",
        "webhook_endpoints",
    ):
        op.drop_table(table, schema=_SCHEMA)
    # Of endpoints that are gone; their ids do not fit where numbers were.
    op.execute(
        "DELETE FROM notifications.message_reads WHERE delivery_id IN (SELECT id FROM notifications.deliveries WHERE template = 'webhook_disabled')"
    )
    op.execute(
        "DELETE FROM notifications.deliveries WHERE template = 'webhook_disabled'"
    )
    op.alter_column(
        "deliveries", "reference", type_=sa.String(length=32), schema=_SCHEMA
    )
