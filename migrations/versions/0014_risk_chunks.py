"""Samples in chunks, and sums of days.

Samples are copied robot by robot, in transactions of their own, while a trigger copies
what is added meanwhile. What is copied twice counts once. An interrupted run starts over.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_COPY_ADDED = """
CREATE FUNCTION risk.copy_added_samples() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO risk.chunks (
    robot_id, window_start, arrived_at, first_at, samples, content, summed
  )
  SELECT robot_id, window_start, now(), min(at), count(*),
    '[' || string_agg(content, ',' ORDER BY at, key) || ']', false
  FROM (
    SELECT robot_id, at, key, date_bin('10 minutes', at, 'epoch') AS window_start,
      json_build_array(
        (extract(epoch FROM at) * 1000000)::bigint, replace(key::text, '-', ''),
        protective_stop, grip_lost, complete, joint_currents, joint_temperatures
      )::text AS content
    FROM added
  ) sample
  GROUP BY robot_id, window_start;
  RETURN NULL;
END $$
"""
_COPY_FROM_NOW_ON = """
CREATE TRIGGER copy_added_samples AFTER INSERT ON risk.samples
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION risk.copy_added_samples()
"""
_TO_SAMPLES = """
DO $$
DECLARE robot uuid;
BEGIN
  FOR robot IN SELECT DISTINCT robot_id FROM risk.chunks LOOP
    INSERT INTO risk.samples (
      robot_id, at, key, protective_stop, grip_lost, complete, joint_currents,
      joint_temperatures
    )
    SELECT robot,
      timestamptz 'epoch' + make_interval(secs => (sample ->> 0)::bigint / 1000000)
        + (sample ->> 0)::bigint % 1000000 * interval '1 microsecond',
      (sample ->> 1)::uuid, (sample ->> 2)::boolean, (sample ->> 3)::boolean,
      (sample ->> 4)::boolean,
      ARRAY(SELECT each::integer FROM json_array_elements_text(sample -> 5) each),
      ARRAY(SELECT each::integer FROM json_array_elements_text(sample -> 6) each)
    FROM risk.chunks, json_array_elements(content::json) sample
    WHERE robot_id = robot
    ON CONFLICT DO NOTHING;
  END LOOP;
END $$
"""


def upgrade() -> None:
    _clear_what_an_interrupted_run_left()
    op.create_table(
        "chunks",
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("summed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "robot_id", "window_start", "id", name=op.f("pk_chunks")
        ),
        schema="risk",
    )
    op.create_index(
        "ix_chunks_unsummed",
        "chunks",
        ["robot_id", "window_start"],
        unique=False,
        schema="risk",
        postgresql_where=sa.text("NOT summed"),
    )
    op.create_table(
        "days",
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("robot_id", "starts_at", name=op.f("pk_days")),
        schema="risk",
    )
    op.execute(_COPY_ADDED)
    op.execute(_COPY_FROM_NOW_ON)
    with op.get_context().autocommit_block():
        _copy_robot_by_robot()
    op.drop_table("samples", schema="risk")
    op.execute("DROP FUNCTION risk.copy_added_samples()")
    # No chunk is summed up: scoring makes the days of them, and finds the windows as
    # they are. A robot's score stays until that is done, and after it if it holds.
    op.execute("UPDATE risk.robots SET settled = NULL WHERE settled IS NOT NULL")
    op.drop_index("ix_windows_stale", table_name="windows", schema="risk")
    op.drop_column("windows", "stale_from", schema="risk")


def _clear_what_an_interrupted_run_left() -> None:
    op.execute("DROP FUNCTION IF EXISTS risk.copy_added_samples() CASCADE")
    op.execute("DROP TABLE IF EXISTS risk.chunks, risk.days")


def _copy_robot_by_robot() -> None:
    next_robot = sa.text(
        "SELECT robot_id FROM risk.samples "
        "WHERE CAST(:last AS uuid) IS NULL OR robot_id > :last "
        "ORDER BY robot_id LIMIT 1"
    )
    copy = sa.text(
        """
        INSERT INTO risk.chunks (
          robot_id, window_start, arrived_at, first_at, samples, content, summed
        )
        SELECT robot_id, window_start, now(), min(at), count(*),
          '[' || string_agg(content, ',' ORDER BY at, key) || ']', false
        FROM (
          SELECT robot_id, at, key, date_bin('10 minutes', at, 'epoch') AS window_start,
            json_build_array(
              (extract(epoch FROM at) * 1000000)::bigint, replace(key::text, '-', ''),
              protective_stop, grip_lost, complete, joint_currents, joint_temperatures
            )::text AS content
          FROM risk.samples
          WHERE robot_id = :robot
        ) sample
        GROUP BY robot_id, window_start
        """
    )
    connection = op.get_bind()
    last = None
    while last := connection.execute(next_robot, {"last": last}).scalar():
        connection.execute(copy, {"robot": last})


def downgrade() -> None:
    op.create_table(
        "samples",
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("protective_stop", sa.Boolean(), nullable=True),
        sa.Column("grip_lost", sa.Boolean(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("joint_currents", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("joint_temperatures", sa.ARRAY(sa.Integer()), nullable=False),
        sa.PrimaryKeyConstraint("robot_id", "at", "key", name=op.f("pk_samples")),
        schema="risk",
    )
    op.execute(_TO_SAMPLES)
    op.add_column(
        "windows",
        sa.Column("stale_from", sa.DateTime(timezone=True), nullable=True),
        schema="risk",
    )
    op.create_index(
        "ix_windows_stale",
        "windows",
        ["robot_id", "starts_at"],
        unique=False,
        schema="risk",
        postgresql_where=sa.text("stale_from IS NOT NULL"),
    )
    # Every window is summed up again, and every robot's windows.
    op.execute(
        """
        INSERT INTO risk.windows (robot_id, starts_at, exposure)
        SELECT DISTINCT robot_id, window_start, '{}'::jsonb FROM risk.chunks
        ON CONFLICT DO NOTHING
        """
    )
    op.execute("UPDATE risk.windows SET stale_from = starts_at")
    op.execute("UPDATE risk.robots SET settled = NULL, stale_since = now()")
    op.execute(
        """
        INSERT INTO risk.robots (id, stale_since)
        SELECT DISTINCT robot_id, now() FROM risk.chunks
        ON CONFLICT DO NOTHING
        """
    )
    op.drop_table("days", schema="risk")
    op.drop_table("chunks", schema="risk")
