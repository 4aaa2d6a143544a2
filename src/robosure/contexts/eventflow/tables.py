"""Tables of the schema ``eventflow``, and the mapping of extractions.

Events are never aggregates: they come and go by thousands, as rows.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from robosure.contexts.eventflow.domain import Extraction
from robosure.platform.database import metadata, registry

SCHEMA: Final = "eventflow"

events = Table(
    "events",
    metadata,
    Column("uid", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("data", JSONB, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("source", "id"),
    Index("ix_events_subject_time", "subject", "time"),
    schema=SCHEMA,
)

failed_events = Table(
    "failed_events",
    metadata,
    Column("uid", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    # Text, for an event may have failed because it is no JSONB.
    Column("data", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("error", Text, nullable=False),
    Column("traceback_digest", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("source", "id"),
    Index("ix_failed_events_subject", "subject"),
    schema=SCHEMA,
)

subject_counts = Table(
    "subject_counts",
    metadata,
    Column("subject", Uuid, primary_key=True),
    Column("stored", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("first_at", DateTime(timezone=True)),
    Column("last_at", DateTime(timezone=True)),
    schema=SCHEMA,
)

robots = Table(
    "robots",
    metadata,
    Column("robot_id", Uuid, primary_key=True),
    Column("operator_id", Uuid, nullable=False),
    Column("manufacturer_id", Uuid, nullable=False),
    Index("ix_robots_operator_id", "operator_id"),
    Index("ix_robots_manufacturer_id", "manufacturer_id"),
    schema=SCHEMA,
)

extractions = Table(
    "extractions",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("claim_id", Uuid, nullable=False),
    Column("robot_id", Uuid, nullable=False),
    Column("window_start", DateTime(timezone=True), nullable=False),
    Column("window_end", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("done_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    Index("ix_extractions_due", "due_at", postgresql_where=text("done_at IS NULL")),
    schema=SCHEMA,
)

registry.map_imperatively(
    Extraction,
    extractions,
    version_id_col=extractions.c.version,
    properties={"id": extractions.c.request_id},
)
