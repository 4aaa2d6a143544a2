"""What the login that connects may do, and should not.

Transactions run under two roles that own nothing (``platform.database.behalf``), so the
login needs to be a member of these and nothing else. One that may more gives whoever
gets hold of it more, such as the form of tables, or other organisations' rows.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from robosure.platform.database.mapping import metadata

_ALLOWED: Final = text(
    """
    SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
      EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (:ours) AND c.relkind IN ('r', 'p')
          AND pg_has_role(session_user, c.relowner, 'MEMBER')) AS owns
    FROM pg_roles WHERE rolname = session_user
    """
)
_WORDS: Final = {
    "rolsuper": "is a superuser",
    "rolbypassrls": "bypasses row security",
    "rolcreaterole": "creates roles",
    "rolcreatedb": "creates databases",
    "rolreplication": "replicates",
    "owns": "owns tables, or is a member of who does",
}


async def excess(session: AsyncSession) -> list[str]:
    """Return what the login may do that the application has no need of."""
    ours = sorted({str(table.schema) for table in metadata.tables.values()})
    allowed = (await session.execute(_ALLOWED, {"ours": ours})).mappings().one()
    return [words for name, words in _WORDS.items() if allowed[name]]
