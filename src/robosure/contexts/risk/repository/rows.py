"""Rows on their way into the database: one JSON document for any number of them.

PostgreSQL takes it apart itself, several times faster than it is sent every value.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import TableValuedAlias, bindparam, column, func
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.types import TypeEngine

ROWS: Final = "rows"
"""The parameter that takes them: a list of dictionaries, by name of the column."""


def given(**columns: TypeEngine[Any]) -> TableValuedAlias:
    """Return the rows given by the parameter :data:`ROWS`, as a table."""
    rows = func.json_to_recordset(bindparam(ROWS, type_=JSON()))
    table = rows.table_valued(*[column(name, type_) for name, type_ in columns.items()])
    return table.render_derived(name="given", with_types=True)
