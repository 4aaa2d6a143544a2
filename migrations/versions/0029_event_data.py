"""What events say is kept as the JSON that it came as.

PostgreSQL takes a document apart for JSONB, and puts it together again for whoever
reads it. Nothing looks into it in SQL, so that was for nothing. Every stored event is
written anew, day by day, with its indexes, which takes a minute or two for ten million;
nobody stores or reads events meanwhile, and what is accepted waits on the stream.

And chunks of samples that have just arrived are not compressed: they are soon read,
joined to others, and compressed then.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_MAKE_DATA: Final = """
    DO $$
    DECLARE beside regclass;
    BEGIN
      ALTER TABLE eventflow.events ALTER COLUMN data TYPE {type} USING data::{type};
      -- Days that are made and not attached yet, or that are about to be dropped.
      FOR beside IN
        SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'eventflow_days'::regnamespace AND c.relkind = 'r'
          AND NOT c.relispartition
          AND a.attname = 'data' AND a.atttypid = '{other}'::regtype
      LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN data TYPE {type} '
          'USING data::{type}', beside);
      END LOOP;
    END $$
"""
# What is built anew beside a table is stored like it, too.
_LIKE: Final = "'EXCLUDING INDEXES)', side, name, live, name);"
_LIKE_IT_TOO: Final = """'EXCLUDING INDEXES) %s', side, name, live, name,
          (SELECT 'WITH (' || array_to_string(c.reloptions, ', ') || ')'
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = live AND c.relname = name));"""
_CREATE_SIDE: Final = """
    DO $do$
    DECLARE
      function oid := 'platform.create_side(uuid, text, text[])'::regprocedure;
    BEGIN
      EXECUTE replace(pg_get_functiondef(function), $old${old}$old$, $new${new}$new$);
    END $do$
"""


def upgrade() -> None:
    op.execute(_MAKE_DATA.format(type="json", other="jsonb"))
    op.execute("ALTER TABLE risk.chunks SET (toast_tuple_target = 8160)")
    op.execute(_CREATE_SIDE.format(old=_LIKE, new=_LIKE_IT_TOO))


def downgrade() -> None:
    op.execute(_CREATE_SIDE.format(old=_LIKE_IT_TOO, new=_LIKE))
    op.execute("ALTER TABLE risk.chunks RESET (toast_tuple_target)")
    op.execute(_MAKE_DATA.format(type="jsonb", other="json"))
