"""Check that no foreign key and no join crosses a schema.

One PostgreSQL schema per context is what lets a context become a service of its own.
Two things could quietly tie them together again, and this looks for both:

* tables: each lies in the schema of its context (or ``platform``), and its foreign keys
  stay there;
* source: no SQL written out in a context names another's schema, and no module imports
  another context's tables.

Prints a line per violation; exits 1 if there is one.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import MetaData, Table

SOURCE = Path(__file__).resolve().parent.parent / "src" / "robosure"

# The words of SQL after which a table is named; the comma is a join in disguise.
_NAMED_TABLE = r"(?:\b(?:FROM|JOIN|INTO|UPDATE|REFERENCES|USING|ONLY|TABLE)\s+|,\s*)"
_SQL_START = re.compile(
    r"\b(?:SELECT|INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER|WITH|FROM|JOIN)\b",
    re.IGNORECASE,
)


def crossing_tables(metadata: MetaData, owners: dict[str, str]) -> Iterator[str]:
    """Say which tables lie in a wrong schema, and which foreign keys leave theirs.

    Args:
        metadata: all tables.
        owners: for each table of a context, by its full name, that context; any other
            is the platform's.
    """
    for name, table in sorted(metadata.tables.items()):
        owner = owners.get(name, "platform")
        if table.schema != owner:
            yield f"{name}: lies in schema {table.schema}, belongs in {owner}"
        for key in sorted(table.foreign_keys, key=lambda key: key.target_fullname):
            if _schema_of(key.target_fullname) != table.schema:
                yield f"{name}.{key.parent.name}: foreign key to {key.target_fullname}"


def crossing_source(source: str, *, context: str, tables: set[str]) -> Iterator[str]:
    """Say where a module of a context reaches into another's schema.

    Args:
        source: the module's text.
        context: whose module it is.
        tables: full names of all tables, ``schema.table``.
    """
    own = {context, "platform"}
    foreign = {name for name in tables if name.partition(".")[0] not in own}
    for node in ast.walk(ast.parse(source)):
        for imported in _imported_modules(node):
            match = re.match(r"robosure\.contexts\.(\w+)\.tables\b", imported)
            if match and match[1] != context:
                yield f"line {getattr(node, 'lineno', '?')}: imports {match[0]}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for name in _named_tables(node.value, foreign):
                yield f"line {node.lineno}: SQL names {name}"


def _named_tables(text: str, tables: set[str]) -> list[str]:
    """Return which of the tables an SQL text reads, joins or writes."""
    if not tables or not _SQL_START.search(text):
        return []
    names = "|".join(re.escape(name) for name in sorted(tables))
    unquoted = text.replace('"', "")
    found = re.findall(rf"{_NAMED_TABLE}({names})\b", unquoted, re.IGNORECASE)
    return sorted({name.lower() for name in found})


def _imported_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _schema_of(column: str) -> str | None:
    """Return the schema of ``schema.table.column``, None if it names none."""
    parts = column.split(".")
    return parts[0] if len(parts) > len(("table", "column")) else None


def load_tables() -> tuple[MetaData, dict[str, str]]:
    """Import every context's tables; return all, and whose those of a context are."""
    owners: dict[str, str] = {}
    contexts = SOURCE / "contexts"
    # By file, so that a folder that is not yet a package is not passed over.
    files = {*contexts.glob("*/tables.py"), *contexts.glob("*/tables/**/*.py")}
    for path in sorted(files):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, Table):
                owners[value.fullname] = path.relative_to(contexts).parts[0]
    mapping = importlib.import_module("robosure.platform.database.mapping")
    return mapping.metadata, owners


def main() -> int:
    """Check the tables and the source of the checkout."""
    metadata, owners = load_tables()
    violations = list(crossing_tables(metadata, owners))
    for path in sorted((SOURCE / "contexts").glob("*/**/*.py")):
        context = path.relative_to(SOURCE / "contexts").parts[0]
        crossings = crossing_source(
            path.read_text(encoding="utf-8"),
            context=context,
            tables=set(metadata.tables),
        )
        where = path.relative_to(SOURCE.parent.parent)
        violations += [f"{where}, {crossing}" for crossing in crossings]
    for violation in violations:
        print(violation)
    if not violations:
        schemas = {table.schema for table in metadata.tables.values()}
        print(f"{len(metadata.tables)} tables in {len(schemas)} schemas, none crossed")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
