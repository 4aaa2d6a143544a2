"""Dead letters of facts and of ingested events in one table, and redeliveries.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "redeliveries",
        sa.Column("consumer", sa.String(length=64), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "what", name=op.f("pk_redeliveries")),
        schema="platform",
    )
    op.rename_table("dead_letters", "dead_letters_before", schema="platform")
    op.execute(
        "ALTER TABLE platform.dead_letters_before "
        "RENAME CONSTRAINT pk_dead_letters TO pk_dead_letters_before"
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consumer", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("traceback_digest", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("edited", sa.Boolean(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        schema="platform",
    )
    # What a letter needs to be replayed is in the outbox still, where it is kept.
    op.execute(
        """
        INSERT INTO platform.dead_letters (
          id, consumer, stream, event_id, type, content, error, traceback_digest,
          attempts, correlation_id, occurred_at, first_failed_at, failed_at, status,
          retries, edited
        )
        SELECT d.id, d.consumer, 'events.' || split_part(d.type, '.', 1),
          d.event_id::text, d.type,
          json_build_object(
            'envelope', json_build_object(
              'event_id', d.event_id, 'type', d.type,
              'version', coalesce(o.version, 1),
              'occurred_at', coalesce(o.occurred_at, d.failed_at),
              'correlation_id', o.correlation_id,
              'causation_id', o.causation_id, 'actor', o.actor
            ),
            'payload', d.payload
          )::text,
          d.error, '', d.attempts, o.correlation_id,
          coalesce(o.occurred_at, d.failed_at), d.failed_at, d.failed_at, 'waiting',
          0, false
        FROM platform.dead_letters_before d
        LEFT JOIN platform.outbox o ON o.event_id = d.event_id
        """
    )
    op.drop_table("dead_letters_before", schema="platform")
    op.create_index(
        "uq_dead_letters_consumer_event_id",
        "dead_letters",
        ["consumer", "event_id"],
        unique=True,
        schema="platform",
    )
    op.create_index(
        "ix_dead_letters_due",
        "dead_letters",
        ["consumer", "retry_at"],
        unique=False,
        schema="platform",
        postgresql_where=sa.text("status IN ('retrying', 'replaying')"),
    )
    op.create_index(
        "ix_dead_letters_subject",
        "dead_letters",
        ["subject"],
        unique=False,
        schema="platform",
    )
    _keep_failed_events()
    op.drop_table("failed_events", schema="eventflow")


def downgrade() -> None:
    _create_failed_events()
    op.rename_table("dead_letters", "dead_letters_after", schema="platform")
    op.execute(
        "ALTER TABLE platform.dead_letters_after "
        "RENAME CONSTRAINT pk_dead_letters TO pk_dead_letters_after"
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consumer", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "failed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        schema="platform",
    )
    op.execute(
        """
        INSERT INTO platform.dead_letters
          (id, consumer, event_id, type, payload, error, attempts, failed_at)
        SELECT id, consumer, event_id::uuid, type, content::jsonb -> 'payload', error,
          attempts, failed_at
        FROM platform.dead_letters_after
        WHERE stream LIKE 'events.%' AND status NOT IN ('replayed', 'discarded')
          AND type <> 'unreadable'
        """
    )
    op.drop_table("dead_letters_after", schema="platform")
    op.create_index(
        "uq_dead_letters_consumer_event",
        "dead_letters",
        ["consumer", "event_id"],
        unique=True,
        schema="platform",
    )
    op.drop_table("redeliveries", schema="platform")


def _keep_failed_events() -> None:
    """Write failed events down as letters; one that passed since is settled."""
    connection = op.get_bind()
    failed = connection.execute(
        sa.text("SELECT * FROM eventflow.failed_events ORDER BY uid")
    )
    keep = sa.text(
        "INSERT INTO platform.dead_letters (id, consumer, stream, event_id, type, "
        "source, subject, content, error, traceback_digest, attempts, occurred_at, "
        "first_failed_at, failed_at, status, retries, edited, settled_at) "
        "SELECT :id, 'eventflow.ingest', 'ingest', :event_id, :type, :source, "
        ":subject, :content, :error, left(:digest, 16), :attempts, :time, "
        ":received_at, :failed_at, "
        "CASE WHEN e.at IS NULL THEN 'waiting' ELSE 'replayed' END, 0, false, e.at "
        "FROM (SELECT (SELECT received_at FROM eventflow.events "
        "WHERE key = CAST(:key AS uuid) LIMIT 1) AS at) AS e"
    )
    for row in failed.all():
        identity = f"{row.subject}\n{row.source}\n{row.id}".encode()
        key = UUID(bytes=hashlib.blake2b(identity, digest_size=16).digest())
        connection.execute(
            keep,
            {
                "id": row.uid,
                "key": key,
                "event_id": str(key),
                "type": row.type,
                "source": row.source,
                "subject": row.subject,
                "content": _content_of(row),
                "error": row.error,
                "digest": row.traceback_digest,
                "attempts": row.attempts,
                "time": row.time,
                "received_at": row.received_at,
                "failed_at": row.failed_at,
            },
        )


def _content_of(row: sa.Row[*tuple[object, ...]]) -> str:
    """Return the event as a batch of its own, as it travels on the stream."""
    event = {
        "specversion": "1.0",
        "id": row.id,
        "source": row.source,
        "type": row.type,
        "subject": row.subject,
        "time": _written(row.time),
        "data": json.loads(row.data),
    }
    batch = {
        "batch_id": str(row.batch_id),
        "part": 0,
        "received_at": _written(row.received_at),
        "correlation_id": None,
        "principal": None,
        "events": [event],
    }
    return json.dumps(batch, separators=(",", ":"))


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _create_failed_events() -> None:
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
    # Taken apart here, for PostgreSQL refuses to where a text holds a NUL.
    connection = op.get_bind()
    letters = connection.execute(
        sa.text(
            "SELECT * FROM platform.dead_letters WHERE consumer = 'eventflow.ingest' "
            "AND type <> 'unreadable' AND status NOT IN ('replayed', 'discarded')"
        )
    )
    fail = sa.text(
        "INSERT INTO eventflow.failed_events VALUES (:id, :source, :event_id, :type, "
        ":subject, :occurred_at, :data, :first_failed_at, :batch_id, :error, "
        ":traceback_digest, :attempts, :failed_at) ON CONFLICT DO NOTHING"
    )
    for letter in letters.mappings().all():
        batch = json.loads(letter["content"])
        (event,) = batch["events"]
        row = {
            **letter,
            "event_id": event["id"],
            "data": json.dumps(event["data"], separators=(",", ":")),
            "batch_id": UUID(batch["batch_id"]),
        }
        connection.execute(fail, row)
