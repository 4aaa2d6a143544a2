"""Tables of notifications."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from robosure.contexts.notifications.domain import (
    Channel,
    Delivery,
    DeliveryStatus,
    DisablingReason,
    EndpointHealth,
    EndpointStatus,
    EventType,
    Outcome,
    SigningSecret,
    Template,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookStatus,
)
from robosure.platform.database import DERIVED, JsonOf, choice, metadata, registry

SCHEMA: Final = "notifications"


recipients = Table(
    "recipients",
    metadata,
    Column("organisation_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    schema=SCHEMA,
    comment="A copy of what identity tells of organisations.",
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("channel", choice(Channel), nullable=False),
    Column("recipient", Text, nullable=False),
    Column("template", choice(Template), nullable=False),
    Column("reference", String(64), nullable=False, index=True),
    Column("insurer_id", Uuid, nullable=False),
    Column("holder_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("status", choice(DeliveryStatus), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    Column("error", Text),
    UniqueConstraint("event_id", "channel", "recipient"),
    Index(
        "ix_deliveries_due",
        "next_attempt_at",
        postgresql_where=text("next_attempt_at IS NOT NULL"),
    ),
    Index("ix_deliveries_insurer_id_id", "insurer_id", "id"),
    Index("ix_deliveries_recipient", text("lower(recipient)")),
    Index("ix_deliveries_holder_id_channel_id", "holder_id", "channel", "id"),
    schema=SCHEMA,
    info=DERIVED,
)

message_reads = Table(
    "message_reads",
    metadata,
    Column("delivery_id", Uuid, ForeignKey(deliveries.c.id), primary_key=True),
    Column("reader_id", Uuid, primary_key=True),
    Column("read_at", DateTime(timezone=True), nullable=False),
    schema=SCHEMA,
    comment="Which user has read which message in the app.",
)


webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("organisation_id", Uuid, nullable=False),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("event_types", JsonOf[tuple[EventType, ...]](tuple[EventType, ...])),
    Column("status", choice(EndpointStatus), nullable=False),
    Column(
        "secrets",
        JsonOf[tuple[SigningSecret, ...]](tuple[SigningSecret, ...]),
        nullable=False,
    ),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("disabled_at", DateTime(timezone=True)),
    Column("disabled_reason", choice(DisablingReason)),
    Index("ix_webhook_endpoints_organisation_id_id", "organisation_id", "id"),
    schema=SCHEMA,
    comment="Where organisations want to be told of what concerns them.",
)

webhook_health = Table(
    "webhook_health",
    metadata,
    Column(
        "endpoint_id",
        Uuid,
        ForeignKey(webhook_endpoints.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("failures", Integer, nullable=False),
    Column("holds", Integer, nullable=False),
    Column("failing_since", DateTime(timezone=True)),
    Column("held_until", DateTime(timezone=True)),
    Column("delivered_at", DateTime(timezone=True)),
    schema=SCHEMA,
    info=DERIVED,
    comment="How endpoints have been answering; changes with every attempt.",
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("message_id", String(64), nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column(
        "endpoint_id",
        Uuid,
        ForeignKey(webhook_endpoints.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    Column("organisation_id", Uuid, nullable=False),
    Column("event_type", choice(EventType), nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("body", Text, nullable=False),
    Column("status", choice(WebhookStatus), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, index=True),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_attempt_at", DateTime(timezone=True)),
    Column("delivered_at", DateTime(timezone=True)),
    Column("error", Text),
    UniqueConstraint("endpoint_id", "event_id"),
    Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
    Index(
        "ix_webhook_deliveries_due",
        "endpoint_id",
        "next_attempt_at",
        postgresql_where=text("next_attempt_at IS NOT NULL"),
    ),
    Index(
        "ix_webhook_deliveries_sending",
        "endpoint_id",
        postgresql_where=text("status = 'sending'"),
    ),
    schema=SCHEMA,
    info=DERIVED,
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column(
        "delivery_id",
        Uuid,
        ForeignKey(webhook_deliveries.c.id, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("number", Integer, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("duration_ms", Integer),
    Column("outcome", choice(Outcome), nullable=False),
    Column("status", SmallInteger),
    Column("answer", Text),
    Column("error", Text),
    schema=SCHEMA,
)

robots = Table(
    "robots",
    metadata,
    Column("robot_id", Uuid, primary_key=True),
    Column("band", String(16)),
    Column("scored_at", DateTime(timezone=True)),
    schema=SCHEMA,
    comment="The robots there are, and the band of risk last told of each.",
)

robot_followers = Table(
    "robot_followers",
    metadata,
    Column("robot_id", Uuid, primary_key=True),
    Column("organisation_id", Uuid, primary_key=True),
    schema=SCHEMA,
    comment="Whom a robot concerns: its operator, its maker, and who insures it.",
)


def _map() -> None:
    registry.map_imperatively(Delivery, deliveries, version_id_col=deliveries.c.version)
    registry.map_imperatively(
        WebhookEndpoint, webhook_endpoints, version_id_col=webhook_endpoints.c.version
    )
    registry.map_imperatively(EndpointHealth, webhook_health)
    registry.map_imperatively(
        WebhookDelivery,
        webhook_deliveries,
        version_id_col=webhook_deliveries.c.version,
    )


_map()
