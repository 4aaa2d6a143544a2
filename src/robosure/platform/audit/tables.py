"""Tables of the audit trail: its entries, and the head of each organisation's chain.

Nobody changes or deletes an entry: a trigger in the migration sees to it. What was
written before entries were chained has no ``sequence``.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from robosure.platform.database.mapping import PLATFORM_SCHEMA, metadata

PLATFORM_CHAIN: Final = UUID(int=0)
"""The chain of what was done on no organisation's behalf."""

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Uuid),
    Column("actor_name", Text, nullable=False),
    # On whose behalf; its chain.
    Column("organisation_id", Uuid),
    Column("action", String(200), nullable=False),
    Column("subject", JSONB, nullable=False),
    Column("correlation_id", Text),
    Column("sequence", BigInteger),
    Column("actor_kind", String(16)),
    Column("actor_organisation_id", Uuid),
    Column("object_type", Text),
    Column("object_id", Text),
    # ``type`` and ``type:id`` of all that the entry is about, to be found by.
    Column("objects", ARRAY(Text)),
    Column("changes", JSONB),
    Column("address", Text),
    Column("user_agent", Text),
    Column("outcome", String(16)),
    Column("previous_hash", LargeBinary(32)),
    Column("hash", LargeBinary(32)),
    Index("ix_audit_entries_organisation_id_id", "organisation_id", "id"),
    Index("ix_audit_entries_actor_id", "actor", "id"),
    Index("ix_audit_entries_objects", "objects", postgresql_using="gin"),
    Index("ix_audit_entries_at", "at", postgresql_using="brin"),
    Index(
        "uq_audit_entries_organisation_id_sequence",
        "organisation_id",
        "sequence",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text("sequence IS NOT NULL"),
    ),
    schema=PLATFORM_SCHEMA,
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("organisation_id", Uuid, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("previous_hash", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    schema=PLATFORM_SCHEMA,
    comment="The last entry of each organisation's chain, and how many there are.",
)
