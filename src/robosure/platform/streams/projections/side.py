"""Side schemas: empty copies of live tables, to be filled, and to change places.

A copy has all that its original has, by the same names: columns, defaults, constraints,
indexes, rights and row security. What a policy asks of a table that changes places it
has to ask through a function, which finds that by its name. The other tables of the
live schema are there as views that nobody can write to, for handlers that look
something up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, text

from robosure.platform.database.session import WriteSession

_LOCK_TIMEOUT: Final = "500ms"
"""Below PostgreSQL's ``deadlock_timeout``: who waits for us is not taken for stuck."""

_UNCOPIED: Final = text(
    """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relname = ANY (:tables) AND (
      c.relkind <> 'r'
      OR EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid)
      OR EXISTS (SELECT 1 FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
        WHERE s.relkind = 'S' AND d.refobjid = c.oid AND d.deptype = 'a')
      OR EXISTS (SELECT 1 FROM pg_constraint k WHERE k.contype = 'f'
        AND c.oid IN (k.conrelid, k.confrelid))
    )
    """
)
_INDEXES: Final = text(
    """
    SELECT c.relname AS table, i.relname AS name, k.conname IS NOT NULL AS constrains,
      coalesce(pg_get_constraintdef(k.oid), pg_get_indexdef(i.oid)) AS definition
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class c ON c.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.conrelid = c.oid
    WHERE n.nspname = :schema AND c.relname = ANY (:tables)
    ORDER BY c.relname, i.relname
    """
)
_GRANTS: Final = text(
    """
    SELECT c.relname AS table, g.privilege_type AS right, r.rolname AS role
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL aclexplode(c.relacl) g JOIN pg_roles r ON r.oid = g.grantee
    WHERE n.nspname = :schema AND c.relname = ANY (:tables) AND g.grantee <> c.relowner
    """
)
_POLICIES: Final = text(
    """
    SELECT tablename AS table, policyname AS name, cmd, permissive, roles,
      qual, with_check
    FROM pg_policies WHERE schemaname = :schema AND tablename = ANY (:tables)
    """
)
_OTHERS: Final = text(
    """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p', 'v')
      AND c.relname <> ALL (:tables)
    ORDER BY c.relname
    """
)
_VIEWS: Final = text(
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = :schema AND c.relkind = 'v'"
)


def side_of(replay_id: UUID) -> str:
    """Return the name of a replay's own schema."""
    return f"replay_{replay_id.hex}"


class Side:
    """The side schema of some live tables."""

    def __init__(self, session: WriteSession, side: str, live: Sequence[Table]) -> None:
        self._session = session
        self._side = side
        self._live = str(live[0].schema)
        self._names = [str(table.name) for table in live]

    async def create(self) -> None:
        """Create the schema and empty copies of the tables in it.

        Raises:
            ValueError: a table has what a copy would not have.
        """
        asked = {"schema": self._live, "tables": self._names}
        uncopied = await self._session.execute(_UNCOPIED, asked)
        if names := uncopied.scalars().all():
            raise ValueError(
                f"{', '.join(names)}: partitions, triggers, foreign keys and serial "
                "columns cannot be copied"
            )
        await self._do(f"CREATE SCHEMA {self._side}")
        for name in self._names:
            await self._do(
                f"CREATE TABLE {self._side}.{name} "
                f"(LIKE {self._live}.{name} INCLUDING ALL EXCLUDING INDEXES)"
            )
        for index in (await self._session.execute(_INDEXES, asked)).all():
            await self._do(self._copied(index))
        await self._copy_rights(asked)
        await self._do(
            f"CREATE TABLE {self._side}.skipped_facts (position bigint PRIMARY KEY)"
        )
        for name in (await self._session.execute(_OTHERS, asked)).scalars().all():
            # A view of two things takes no writes; the second costs nothing.
            both = f"{self._live}.{name} AS live, (VALUES (1)) AS one"
            await self._do(
                f"CREATE VIEW {self._side}.{name} AS SELECT live.* FROM {both}"  # nosec B608 # noqa: S608 - our names
            )

    async def _copy_rights(self, asked: dict[str, Any]) -> None:
        """Let the same roles see the same rows of a copy, once it is the live table."""
        for each in (await self._session.execute(_GRANTS, asked)).all():
            await self._do(
                f"GRANT {each.right} ON {self._side}.{each.table} TO {each.role}"
            )
        for each in (await self._session.execute(_POLICIES, asked)).all():
            table = f"{self._side}.{each.table}"
            check = each.with_check and f"WITH CHECK ({each.with_check})"
            await self._do(
                f"CREATE POLICY {each.name} ON {table} AS {each.permissive} "
                f"FOR {each.cmd} TO {', '.join(each.roles)} "
                f"USING ({each.qual}) {check or ''}"
            )
            await self._do(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            await self._do(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")

    def _copied(self, index: Any) -> str:
        if index.constrains:
            return (
                f"ALTER TABLE {self._side}.{index.table} "
                f"ADD CONSTRAINT {index.name} {index.definition}"
            )
        live, side = (f" ON {s}.{index.table} " for s in (self._live, self._side))
        return str(index.definition).replace(live, side, 1)

    async def analyze(self) -> None:
        """Let the planner know what is in the tables, before they are used."""
        for name in self._names:
            await self._do(f"ANALYZE {self._side}.{name}")

    async def lock(self) -> None:
        """Wait, not for long, until no transaction is at the live tables, and keep out.

        Whoever holds this lock knows that every other transaction either is over or
        has not touched one of the tables.

        Raises:
            DBAPIError: some transaction stays at them.
        """
        await self._do(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        live = ", ".join(f"{self._live}.{name}" for name in self._names)
        await self._do(f"LOCK TABLE {live} IN ACCESS EXCLUSIVE MODE")

    async def switch(self) -> None:
        """Let the copies and the live tables change places, which are locked."""
        old = f"{self._side}_old"
        await self._do(f"CREATE SCHEMA {old}")
        for name in self._names:
            await self._do(f"ALTER TABLE {self._live}.{name} SET SCHEMA {old}")
            await self._do(f"ALTER TABLE {self._side}.{name} SET SCHEMA {self._live}")
        await self._do(f"DROP SCHEMA {self._side} CASCADE")
        await self._do(f"ALTER SCHEMA {old} RENAME TO {self._side}")

    async def settle(self) -> dict[str, int]:
        """Leave nothing but the tables; return how many rows each has."""
        found = await self._session.execute(_VIEWS, {"schema": self._side})
        for name in found.scalars().all():
            await self._do(f"DROP VIEW {self._side}.{name}")
        await self._do(f"DROP TABLE {self._side}.skipped_facts")
        counted: dict[str, int] = {}
        for name in self._names:
            count = text(f"SELECT count(*) FROM {self._side}.{name}")  # nosec B608 # noqa: S608 - our names
            counted[name] = (await self._session.execute(count)).scalar_one()
        return counted

    async def _do(self, statement: str) -> None:
        await self._session.execute(text(statement))


async def drop_side(session: WriteSession, side: str) -> None:
    """Drop a side schema with all that is in it, if it is there."""
    await session.execute(text(f"DROP SCHEMA IF EXISTS {side} CASCADE"))
