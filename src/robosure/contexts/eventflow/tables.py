"""Tables of the schema ``eventflow``, and the mapping of extractions.

Events are never aggregates: they come and go by thousands, as rows. They are kept by
day, so that a day is dropped at once; what fits no day's partition, as from a clock
that is centuries off, is in the default one.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    text,
)

from robosure.contexts.eventflow.domain import Extraction
from robosure.platform.database import DERIVED, metadata, registry

SCHEMA: Final = "eventflow"

PARTITIONS_SCHEMA: Final = "eventflow_days"
"""Where the days of the partitioned tables are; only jobs and migrations name them."""

events = Table(
    "events",
    metadata,
    # Which event it is, as a hash of its subject, source and id.
    Column("key", Uuid, primary_key=True),
    # Of its time, in UTC; an event that comes again finds itself, on its day.
    Column("day", Date, primary_key=True),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    # Not as JSONB: it is read whole, and as it was sent; nothing looks into it in SQL.
    Column("data", JSON, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    # None for what was stored before batches were kept.
    Column("batch_id", Uuid),
    Column("part", SmallInteger),
    Index("ix_events_subject_time", "subject", "time"),
    Index("ix_events_time", "time"),
    # A batch's events have its time in common, so this is small, grows at its end
    # only, and finds the events of a batch.
    Index("ix_events_received_at", "received_at"),
    schema=SCHEMA,
    postgresql_partition_by="RANGE (day)",
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    # A batch is processed in parts, and each part's row stands as it was written: what
    # is stored later, as by a replay, is a part of its own.
    Column("part", SmallInteger, primary_key=True),
    # Of its receipt, in UTC.
    Column("day", Date, primary_key=True),
    # Its place in the order in which parts were processed.
    Column(
        "position",
        BigInteger,
        nullable=False,
        server_default=text("nextval('eventflow.batch_positions')"),
    ),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("processed_at", DateTime(timezone=True), nullable=False),
    Column("correlation_id", Text),
    Column("principal", Uuid),
    Column("events", Integer, nullable=False),
    Column("stored", Integer, nullable=False),
    Column("repeated", Integer, nullable=False),
    # The earliest and the latest time of its events: on which days they are.
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
    Index("ix_batches_position", "position"),
    Index("ix_batches_correlation_id", "correlation_id"),
    schema=SCHEMA,
    postgresql_partition_by="RANGE (day)",
)

archives = Table(
    "archives",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("type", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("events", BigInteger, nullable=False),
    # None where the type is not archived, or where there was nothing of it.
    Column("file_key", Text, unique=True),
    Column("size", BigInteger),
    Column("sha256", String(64)),
    Column("archived_at", DateTime(timezone=True), nullable=False),
    # When the events left the store; None while they may still be there.
    Column("dropped_at", DateTime(timezone=True)),
    Index("ix_archives_first_day_type", "first_day", "type"),
    schema=SCHEMA,
)

subject_counts = Table(
    "subject_counts",
    metadata,
    Column("subject", Uuid, primary_key=True),
    Column("stored", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
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
    info=DERIVED,
)

registry.map_imperatively(
    Extraction,
    extractions,
    version_id_col=extractions.c.version,
    properties={"id": extractions.c.request_id},
)
