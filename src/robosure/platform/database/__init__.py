"""PostgreSQL: sessions, the mapping, and the transaction at the edge."""

from robosure.platform.database.mapping import (
    DERIVED,
    PERSONAL,
    metadata,
    registry,
)
from robosure.platform.database.numbers import next_number
from robosure.platform.database.running import writers
from robosure.platform.database.session import (
    Database,
    ReadSession,
    WriteSession,
    translating,
)
from robosure.platform.database.types import JsonOf, choice

__all__ = [
    "DERIVED",
    "PERSONAL",
    "Database",
    "JsonOf",
    "ReadSession",
    "WriteSession",
    "choice",
    "metadata",
    "next_number",
    "registry",
    "translating",
    "writers",
]
