"""What the application does to the form of tables, as functions of their owner.

Days of events come and go, and projections are built anew beside those in use. Until
now who connects had to own the tables for that. These functions do it instead, as the
owner, for ``robosure_platform`` alone and for nothing else; so the application's login
needs no more than to be a member of the two roles that transactions run under.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_PLATFORM: Final = "robosure_platform"
_AS_OWNER: Final = (
    "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
)
_DAY: Final = """
    CREATE FUNCTION eventflow.name_of_day(kind text, day date) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
      IF kind IS NULL OR day IS NULL OR kind NOT IN ('events', 'batches') THEN
        RAISE EXCEPTION 'there are no days of this' USING ERRCODE = '42501';
      END IF;
      RETURN kind || to_char(day, '_YYYY_MM_DD');
    END $$
"""
_CREATE_DAY: Final = f"""
    CREATE FUNCTION eventflow.create_day(kind text, day date) RETURNS void
    {_AS_OWNER} AS $$
    BEGIN
      EXECUTE format(
        'CREATE TABLE IF NOT EXISTS eventflow_days.%I (LIKE eventflow.%I '
        'INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES, '
        -- Spares PostgreSQL from reading it when it is attached.
        'CONSTRAINT of_day CHECK (day = %L))',
        eventflow.name_of_day(kind, day), kind, day);
    END $$
"""
_ATTACH_DAY: Final = f"""
    CREATE FUNCTION eventflow.attach_day(kind text, day date) RETURNS void
    {_AS_OWNER} AS $$
    DECLARE
      place text := format('eventflow_days.%I', eventflow.name_of_day(kind, day));
      rest text := format('eventflow_days.%I', kind || '_default');
      whole text := format('eventflow.%I', kind);
      same text;
    BEGIN
      SELECT string_agg(format('p.%1$I = d.%1$I', a.attname), ' AND ') INTO same
      FROM pg_index i JOIN pg_attribute a
        ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = whole::regclass AND i.indisprimary;
      PERFORM eventflow.create_day(kind, day);
      -- Whoever had chosen the default by now would find it the wrong place.
      EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', whole);
      EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', rest);
      EXECUTE format(
        'INSERT INTO %1$s SELECT * FROM %2$s d WHERE day = %3$L '
        'AND NOT EXISTS (SELECT 1 FROM %1$s p WHERE %4$s)', place, rest, day, same);
      EXECUTE format('DELETE FROM %s WHERE day = %L', rest, day);
      EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
        whole, place, day, day + 1);
      EXECUTE format('ALTER TABLE %s DROP CONSTRAINT of_day', place);
    END $$
"""  # nosec B608 # noqa: S608 - our names
_RETIRE_DAY: Final = f"""
    CREATE FUNCTION eventflow.retire_day(kind text, day date) RETURNS void
    {_AS_OWNER} AS $$
    DECLARE place text := eventflow.name_of_day(kind, day);
    BEGIN
      EXECUTE format('ALTER TABLE eventflow.%I DETACH PARTITION eventflow_days.%I',
        kind, place);
      EXECUTE format('ALTER TABLE eventflow_days.%I RENAME TO %I',
        place, 'retired_' || place);
    END $$
"""
_DROP_DAY: Final = f"""
    CREATE FUNCTION eventflow.drop_retired_day(kind text, day date) RETURNS void
    {_AS_OWNER} AS $$
    BEGIN
      EXECUTE format('DROP TABLE IF EXISTS eventflow_days.%I',
        'retired_' || eventflow.name_of_day(kind, day));
    END $$
"""
_SIDE_OF: Final = """
    CREATE FUNCTION platform.side_of(replay uuid) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
      SELECT 'replay_' || replace(CAST(replay AS text), '-', '')
    $$
"""
# What may change places is what the platform may empty and fill anyway: no trigger
# keeps it as it is, and no right is missing.
_CHECK_COPIED: Final = f"""
    CREATE FUNCTION platform.check_copied(live text, names text[]) RETURNS void
    {_AS_OWNER} AS $$
    DECLARE uncopied text;
    BEGIN
      SELECT string_agg(name, ', ' ORDER BY name) INTO uncopied
      FROM unnest(names) name LEFT JOIN (
        pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = live
      ) ON c.relname = name
      WHERE c.oid IS NULL OR c.relkind <> 'r'
        OR EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid)
        OR EXISTS (SELECT 1 FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
          WHERE s.relkind = 'S' AND d.refobjid = c.oid AND d.deptype = 'a')
        OR EXISTS (SELECT 1 FROM pg_constraint k WHERE k.contype = 'f'
          AND c.oid IN (k.conrelid, k.confrelid));
      IF uncopied IS NOT NULL THEN
        RAISE EXCEPTION '%: partitions, triggers, foreign keys and serial columns '
          'cannot be copied', uncopied USING ERRCODE = 'feature_not_supported';
      END IF;
      SELECT string_agg(name, ', ' ORDER BY name) INTO uncopied
      FROM unnest(names) name, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) may
      WHERE NOT has_table_privilege(
        '{_PLATFORM}', format('%I.%I', live, name), may);
      IF uncopied IS NOT NULL THEN
        RAISE EXCEPTION '%: the platform may not fill and empty these', uncopied
          USING ERRCODE = 'insufficient_privilege';
      END IF;
    END $$
"""  # nosec B608 # noqa: S608 - our names
_CREATE_SIDE: Final = f"""
    CREATE FUNCTION platform.create_side(replay uuid, live text, names text[])
    RETURNS void {_AS_OWNER} AS $$
    DECLARE
      side text := platform.side_of(replay);
      name text;
      each record;
    BEGIN
      PERFORM platform.check_copied(live, names);
      EXECUTE format('CREATE SCHEMA %I', side);
      EXECUTE format('GRANT USAGE ON SCHEMA %I TO {_PLATFORM}', side);
      FOREACH name IN ARRAY names LOOP
        EXECUTE format('CREATE TABLE %I.%I (LIKE %I.%I INCLUDING ALL '
          'EXCLUDING INDEXES)', side, name, live, name);
      END LOOP;
      FOR each IN
        SELECT c.relname AS place, i.relname AS name, k.oid IS NOT NULL AS constrains,
          coalesce(pg_get_constraintdef(k.oid), pg_get_indexdef(i.oid)) AS definition
        FROM pg_index x
        JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_class c ON c.oid = x.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.conrelid = c.oid
        WHERE n.nspname = live AND c.relname = ANY (names)
        ORDER BY c.relname, i.relname
      LOOP
        IF each.constrains THEN
          EXECUTE format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s',
            side, each.place, each.name, each.definition);
        ELSE
          EXECUTE regexp_replace(each.definition,
            format(' ON (ONLY )?%s\\.%s ', quote_ident(live), quote_ident(each.place)),
            format(' ON %I.%I ', side, each.place));
        END IF;
      END LOOP;
      FOR each IN
        SELECT c.relname AS place, g.privilege_type AS allowed, r.rolname AS role
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL aclexplode(c.relacl) g
        JOIN pg_roles r ON r.oid = g.grantee
        WHERE n.nspname = live AND c.relname = ANY (names) AND g.grantee <> c.relowner
      LOOP
        EXECUTE format('GRANT %s ON %I.%I TO %I',
          each.allowed, side, each.place, each.role);
      END LOOP;
      FOR each IN
        SELECT tablename AS place, policyname AS name, cmd, permissive, qual,
          with_check, (SELECT string_agg(quote_ident(role), ', ')
            FROM unnest(roles) role) AS roles
        FROM pg_policies WHERE schemaname = live AND tablename = ANY (names)
      LOOP
        EXECUTE format('CREATE POLICY %I ON %I.%I AS %s FOR %s TO %s USING (%s)',
          each.name, side, each.place, each.permissive, each.cmd, each.roles,
          each.qual) || coalesce(format(' WITH CHECK (%s)', each.with_check), '');
        EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY',
          side, each.place);
        EXECUTE format('ALTER TABLE %I.%I FORCE ROW LEVEL SECURITY',
          side, each.place);
      END LOOP;
      EXECUTE format('CREATE TABLE %I.skipped_facts (position bigint PRIMARY KEY)',
        side);
      EXECUTE format('GRANT SELECT, INSERT, DELETE ON %I.skipped_facts TO {_PLATFORM}',
        side);
      FOR name IN
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = live AND c.relkind IN ('r', 'p', 'v')
          AND c.relname <> ALL (names)
          AND has_table_privilege('{_PLATFORM}', c.oid, 'SELECT')
        ORDER BY c.relname
      LOOP
        -- A view of two things takes no writes; the second costs nothing.
        EXECUTE format('CREATE VIEW %I.%I AS SELECT live.* FROM %I.%I AS live, '
          '(VALUES (1)) AS one', side, name, live, name);
        EXECUTE format('GRANT SELECT ON %I.%I TO {_PLATFORM}', side, name);
      END LOOP;
    END $$
"""  # nosec B608 # noqa: S608 - our names
_ANALYZE_SIDE: Final = f"""
    CREATE FUNCTION platform.analyze_side(replay uuid, names text[]) RETURNS void
    {_AS_OWNER} AS $$
    DECLARE name text;
    BEGIN
      FOREACH name IN ARRAY names LOOP
        EXECUTE format('ANALYZE %I.%I', platform.side_of(replay), name);
      END LOOP;
    END $$
"""
_SWITCH_SIDE: Final = f"""
    CREATE FUNCTION platform.switch_side(replay uuid, live text, names text[])
    RETURNS void {_AS_OWNER} AS $$
    DECLARE
      side text := platform.side_of(replay);
      old text := side || '_old';
      name text;
    BEGIN
      PERFORM platform.check_copied(live, names);
      EXECUTE format('CREATE SCHEMA %I', old);
      FOREACH name IN ARRAY names LOOP
        EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', live, name, old);
        EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', side, name, live);
      END LOOP;
      EXECUTE format('DROP SCHEMA %I CASCADE', side);
      EXECUTE format('ALTER SCHEMA %I RENAME TO %I', old, side);
    END $$
"""
_SETTLE_SIDE: Final = f"""
    CREATE FUNCTION platform.settle_side(replay uuid, names text[]) RETURNS jsonb
    {_AS_OWNER} AS $$
    DECLARE
      side text := platform.side_of(replay);
      name text;
      counted bigint;
      answer jsonb := '{{}}';
    BEGIN
      FOR name IN
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = side AND c.relkind = 'v'
      LOOP
        EXECUTE format('DROP VIEW %I.%I', side, name);
      END LOOP;
      EXECUTE format('DROP TABLE %I.skipped_facts', side);
      FOREACH name IN ARRAY names LOOP
        EXECUTE format('SELECT count(*) FROM %I.%I', side, name) INTO counted;
        answer := answer || jsonb_build_object(name, counted);
      END LOOP;
      RETURN answer;
    END $$
"""  # nosec B608 # noqa: S608 - our names
_DROP_SIDE: Final = f"""
    CREATE FUNCTION platform.drop_side(replay uuid) RETURNS void {_AS_OWNER} AS $$
    BEGIN
      EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', platform.side_of(replay));
    END $$
"""
_FUNCTIONS: Final = {
    "eventflow.name_of_day(text, date)": _DAY,
    "eventflow.create_day(text, date)": _CREATE_DAY,
    "eventflow.attach_day(text, date)": _ATTACH_DAY,
    "eventflow.retire_day(text, date)": _RETIRE_DAY,
    "eventflow.drop_retired_day(text, date)": _DROP_DAY,
    "platform.side_of(uuid)": _SIDE_OF,
    "platform.check_copied(text, text[])": _CHECK_COPIED,
    "platform.create_side(uuid, text, text[])": _CREATE_SIDE,
    "platform.analyze_side(uuid, text[])": _ANALYZE_SIDE,
    "platform.switch_side(uuid, text, text[])": _SWITCH_SIDE,
    "platform.settle_side(uuid, text[])": _SETTLE_SIDE,
    "platform.drop_side(uuid)": _DROP_SIDE,
}
_ROWS: Final = "SELECT, INSERT, UPDATE, DELETE"
_DAYS: Final = "eventflow_days"


def upgrade() -> None:
    for signature, function in _FUNCTIONS.items():
        op.execute(function)
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {_PLATFORM}")
    op.execute(f"GRANT USAGE ON SCHEMA {_DAYS} TO {_PLATFORM}")
    op.execute(f"GRANT {_ROWS} ON ALL TABLES IN SCHEMA {_DAYS} TO {_PLATFORM}")
    op.execute(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {_DAYS} "
        f"GRANT {_ROWS} ON TABLES TO {_PLATFORM}"
    )


def downgrade() -> None:
    op.execute(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {_DAYS} "
        f"REVOKE {_ROWS} ON TABLES FROM {_PLATFORM}"
    )
    op.execute(f"REVOKE {_ROWS} ON ALL TABLES IN SCHEMA {_DAYS} FROM {_PLATFORM}")
    op.execute(f"REVOKE USAGE ON SCHEMA {_DAYS} FROM {_PLATFORM}")
    for signature in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION {signature}")
