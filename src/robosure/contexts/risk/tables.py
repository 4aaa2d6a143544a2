"""Tables of the schema ``risk``, and the mapping of scores.

``chunks`` hold samples by robot and window, and ``windows`` and ``days`` what they sum
up to; ``robots`` and ``models`` are copies of what the context robots told.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    text,
)

from robosure.contexts.risk.domain import (
    Credibility,
    Exposure,
    Factor,
    Limits,
    Score,
    ScoreInputs,
    Settled,
)
from robosure.platform.database import DERIVED, JsonOf, metadata, registry

SCHEMA = "risk"

models = Table(
    "models",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("limits", JsonOf[Limits](Limits), nullable=False),
    schema=SCHEMA,
)

robots = Table(
    "robots",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Unknown until the robot is registered; telemetry may arrive first.
    Column("model_id", Uuid),
    Column("operator_id", Uuid),
    Column("manufacturer_id", Uuid),
    Column("stale_since", DateTime(timezone=True)),
    Column("settled", JsonOf[Settled](Settled)),
    Column("score_id", Uuid),
    Index("ix_robots_model_id", "model_id"),
    Index(
        "ix_robots_stale_since",
        "stale_since",
        postgresql_where=text("stale_since IS NOT NULL"),
    ),
    schema=SCHEMA,
)

chunks = Table(
    "chunks",
    metadata,
    Column("robot_id", Uuid, primary_key=True),
    Column("window_start", DateTime(timezone=True), primary_key=True),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("arrived_at", DateTime(timezone=True), nullable=False),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("samples", Integer, nullable=False),
    # A JSON array of samples, each an array in the order of Sample's fields. As text,
    # since it is read whole, and joined to others without being read.
    Column("content", Text, nullable=False),
    Column("summed", Boolean, nullable=False),
    Index(
        "ix_chunks_unsummed",
        "robot_id",
        "window_start",
        postgresql_where=text("NOT summed"),
    ),
    schema=SCHEMA,
)

windows = Table(
    "windows",
    metadata,
    Column("robot_id", Uuid, primary_key=True),
    Column("starts_at", DateTime(timezone=True), primary_key=True),
    Column("exposure", JsonOf[Exposure](Exposure), nullable=False),
    schema=SCHEMA,
)

days = Table(
    "days",
    metadata,
    Column("robot_id", Uuid, primary_key=True),
    Column("starts_at", DateTime(timezone=True), primary_key=True),
    Column("settled", JsonOf[Settled](Settled), nullable=False),
    schema=SCHEMA,
)

scores = Table(
    "scores",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("robot_id", Uuid, nullable=False),
    Column("inputs", JsonOf[ScoreInputs](ScoreInputs), nullable=False),
    Column("model_version", String(16), nullable=False),
    Column("score", Numeric(4, 1), nullable=False),
    Column("band", String(16), nullable=False),
    Column("multiplier", Numeric(5, 4), nullable=False),
    Column("factors", JsonOf[tuple[Factor, ...]](tuple[Factor, ...]), nullable=False),
    Column("credibility", JsonOf[Credibility](Credibility), nullable=False),
    Column("samples", Integer, nullable=False),
    Column("scored_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint("score BETWEEN 0 AND 100", name="score"),
    Index("ix_scores_robot_id_id", "robot_id", "id"),
    schema=SCHEMA,
    info=DERIVED,
)

registry.map_imperatively(Score, scores, version_id_col=scores.c.version)
