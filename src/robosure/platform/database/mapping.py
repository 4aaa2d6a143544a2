"""One metadata and one registry: every context's tables and its imperative mapping.

A context's tables live in the schema of its name. Constraint names follow one
convention, so that a violated one can be translated by name.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData
from sqlalchemy.orm import registry as orm_registry

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
registry: Final = orm_registry(metadata=metadata)

PLATFORM_SCHEMA: Final = "platform"

PERSONAL: Final = {"personal": True}
"""A column's ``info``: it says who a person is, though its name does not tell."""

DERIVED: Final = {"derived": True}
"""A table's ``info``: its rows follow from what is kept elsewhere, or are a log.

The audit trail tells what people do to them, and not what the platform does.
"""
