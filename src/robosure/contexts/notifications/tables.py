"""Tables of notifications."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
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
    Template,
)
from robosure.platform.database import choice, metadata, registry

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
    Column("reference", String(32), nullable=False, index=True),
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
    Index("ix_deliveries_holder_id_channel_id", "holder_id", "channel", "id"),
    schema=SCHEMA,
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


def _map() -> None:
    registry.map_imperatively(Delivery, deliveries, version_id_col=deliveries.c.version)


_map()
