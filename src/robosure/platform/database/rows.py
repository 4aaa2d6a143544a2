"""Many rows in one statement that is always the same.

A statement with a parameter for each value of each row is another statement for each
number of rows: composed, sent and planned anew. One with an array for each column is
not.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine


def incoming(**columns: TypeEngine[Any]) -> TableValuedAlias:
    """Return parallel arrays, bound by the columns' names, as a table of rows.

    Args:
        columns: their names and types.
    """
    arrays = [bindparam(name, type_=ARRAY(type_)) for name, type_ in columns.items()]
    rows = func.unnest(*arrays).table_valued(*columns, name="incoming")
    return rows.render_derived()
