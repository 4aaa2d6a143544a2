"""Events and batches by day, and archives.

Rows are copied beside the table in use, in transactions of their own; only what came
meanwhile is copied under the lock under which the tables change places. An interrupted
run starts over. ``failed_events`` becomes dead letters in the next revision.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_CHUNK = 5_000
_FIRST = UUID(int=0)
_KEPT_DAYS = 400
_IN_FLIGHT = timedelta(minutes=1)
_INDEXED = (("subject", "time"), ("time",), ("received_at",))

# A position is taken by whoever has a transaction id by then, so that a reader can tell
# which positions are still to come from the transactions that are running.
_TAKE_TRANSACTION_ID = """
    CREATE OR REPLACE FUNCTION platform.take_transaction_id() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_current_xact_id();
      RETURN NULL;
    END $$
"""


def upgrade() -> None:
    _clear_what_an_interrupted_run_left()
    op.execute(_TAKE_TRANSACTION_ID)
    op.execute("CREATE SCHEMA eventflow_days")
    _create_events()
    _create_batches()
    _create_archives()
    started = datetime.now(UTC)
    with op.get_context().autocommit_block():
        _create_days_of_old_events()
        last = _copy_up(_FIRST)
    op.execute("LOCK TABLE eventflow.events IN ACCESS EXCLUSIVE MODE")
    # A row whose transaction was running as its place was passed comes here.
    _copy_up(min(last, _uuid7_of(started - _IN_FLIGHT)))
    op.drop_table("events", schema="eventflow")
    _rename("events_by_day", "events", pk="pk_events")
    op.drop_column("subject_counts", "failed", schema="eventflow")
    op.create_index(
        "ix_outbox_correlation_id",
        "outbox",
        ["correlation_id"],
        unique=False,
        schema="platform",
    )
    op.execute(
        "CREATE TRIGGER outbox_take_transaction_id BEFORE INSERT ON platform.outbox "
        "FOR EACH STATEMENT EXECUTE FUNCTION platform.take_transaction_id()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER outbox_take_transaction_id ON platform.outbox")
    op.drop_index("ix_outbox_correlation_id", table_name="outbox", schema="platform")
    op.add_column(
        "subject_counts",
        sa.Column("failed", sa.BigInteger(), nullable=False, server_default="0"),
        schema="eventflow",
    )
    op.alter_column("subject_counts", "failed", server_default=None, schema="eventflow")
    _rename("events", "events_by_day", pk="pk_events_by_day")
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
    op.execute(
        "INSERT INTO eventflow.events "
        "(uid, source, id, type, subject, time, data, received_at) "
        "SELECT key, source, id, type, subject, time, data, received_at "
        "FROM eventflow.events_by_day ON CONFLICT DO NOTHING"
    )
    op.create_index(
        "ix_events_subject_time",
        "events",
        ["subject", "time"],
        unique=False,
        schema="eventflow",
    )
    op.drop_table("events_by_day", schema="eventflow")
    op.drop_table("batches", schema="eventflow")
    op.drop_table("archives", schema="eventflow")
    op.execute("DROP SEQUENCE eventflow.batch_positions")
    op.execute("DROP FUNCTION platform.take_transaction_id()")
    op.execute("DROP SCHEMA eventflow_days")


def _clear_what_an_interrupted_run_left() -> None:
    op.execute("DROP TABLE IF EXISTS eventflow.events_by_day")
    op.execute("DROP TABLE IF EXISTS eventflow.batches")
    op.execute("DROP TABLE IF EXISTS eventflow.archives")
    op.execute("DROP SEQUENCE IF EXISTS eventflow.batch_positions")
    op.execute("DROP SCHEMA IF EXISTS eventflow_days")


def _create_events() -> None:
    op.create_table(
        "events_by_day",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("part", sa.SmallInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", "day", name="pk_events_by_day"),
        schema="eventflow",
        postgresql_partition_by="RANGE (day)",
    )
    for columns in _INDEXED:
        op.create_index(
            f"ix_events_by_day_{'_'.join(columns)}",
            "events_by_day",
            list(columns),
            unique=False,
            schema="eventflow",
        )
    op.execute(
        "CREATE TABLE eventflow_days.events_default "
        "PARTITION OF eventflow.events_by_day DEFAULT"
    )


def _create_batches() -> None:
    op.execute("CREATE SEQUENCE eventflow.batch_positions")
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "position",
            sa.BigInteger(),
            server_default=sa.text("nextval('eventflow.batch_positions')"),
            nullable=False,
        ),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("principal", sa.Uuid(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("stored", sa.Integer(), nullable=False),
        sa.Column("repeated", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "part", "day", name=op.f("pk_batches")),
        schema="eventflow",
        postgresql_partition_by="RANGE (day)",
    )
    op.create_index(
        "ix_batches_position", "batches", ["position"], unique=False, schema="eventflow"
    )
    op.create_index(
        "ix_batches_correlation_id",
        "batches",
        ["correlation_id"],
        unique=False,
        schema="eventflow",
    )
    op.execute(
        "CREATE TABLE eventflow_days.batches_default "
        "PARTITION OF eventflow.batches DEFAULT"
    )
    op.execute(
        "CREATE TRIGGER batches_take_transaction_id BEFORE INSERT ON eventflow.batches "
        "FOR EACH STATEMENT EXECUTE FUNCTION platform.take_transaction_id()"
    )


def _create_archives() -> None:
    op.create_table(
        "archives",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("file_key", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archives")),
        sa.UniqueConstraint("file_key", name=op.f("uq_archives_file_key")),
        schema="eventflow",
    )
    op.create_index(
        "ix_archives_first_day_type",
        "archives",
        ["first_day", "type"],
        unique=False,
        schema="eventflow",
    )


def _create_days_of_old_events() -> None:
    """Make a partition for each day that has events; absurd days share the default."""
    today = datetime.now(UTC).date()
    days = op.get_bind().execute(
        sa.text(
            "SELECT DISTINCT (time AT TIME ZONE 'UTC')::date FROM eventflow.events "
            "WHERE time BETWEEN :first AND :last"
        ),
        {
            "first": today - timedelta(days=_KEPT_DAYS),
            "last": today + timedelta(days=_KEPT_DAYS),
        },
    )
    for day in sorted(days.scalars()):
        op.execute(
            f"CREATE TABLE eventflow_days.events_{day:%Y_%m_%d} "
            f"PARTITION OF eventflow.events_by_day "
            f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
        )


def _copy_up(after: UUID) -> UUID:
    """Copy old events in the order of their ids; return the last."""
    chunk = sa.text(
        "SELECT uid, subject, source, id FROM eventflow.events "
        "WHERE uid > :after ORDER BY uid LIMIT :chunk"
    )
    copy = sa.text(
        "INSERT INTO eventflow.events_by_day "
        "(key, day, source, id, type, subject, time, data, received_at) "
        "SELECT n.key, (time AT TIME ZONE 'UTC')::date, source, id, type, subject, "
        "time, data, received_at FROM eventflow.events "
        "JOIN unnest(CAST(:uids AS uuid[]), CAST(:keys AS uuid[])) AS n (uid, key) "
        "USING (uid) ON CONFLICT DO NOTHING"
    )
    connection = op.get_bind()
    while rows := connection.execute(chunk, {"after": after, "chunk": _CHUNK}).all():
        uids = [row.uid for row in rows]
        keys = [_key_of(str(row.subject), row.source, row.id) for row in rows]
        connection.execute(copy, {"uids": uids, "keys": keys})
        after = uids[-1]
    return after


def _key_of(subject: str, source: str, id_: str) -> UUID:
    """Return the key as the application computes it."""
    text = f"{subject}\n{source}\n{id_}".encode()
    return UUID(bytes=hashlib.blake2b(text, digest_size=16).digest())


def _uuid7_of(moment: datetime) -> UUID:
    """Return the least id that is given out at a moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def _rename(table: str, to: str, *, pk: str) -> None:
    op.rename_table(table, to, schema="eventflow")
    old = f"pk_{table}"
    op.execute(f"ALTER TABLE eventflow.{to} RENAME CONSTRAINT {old} TO {pk}")
    for columns in _INDEXED:
        names = "_".join(columns)
        op.execute(
            f"ALTER INDEX eventflow.ix_{table}_{names} RENAME TO ix_{to}_{names}"
        )
