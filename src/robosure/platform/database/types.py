"""Column types that carry the domain's values."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Dialect, Enum
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")


def choice(kind: type[StrEnum]) -> Enum:
    """Return the type of a column that holds one of an enumeration's values.

    It is text in the database, so that a new value needs no migration.
    """
    return Enum(kind, native_enum=False, length=32, values_callable=_values)


def _values(kind: type[StrEnum]) -> list[str]:
    return [member.value for member in kind]


class JsonOf(TypeDecorator[T], Generic[T]):
    """A JSONB document that is a typed value in Python.

    Money becomes ``{"minor", "currency"}``, a Decimal a string, a tuple a list, None
    SQL's NULL; reading validates. ``Column("terms", JsonOf(ProductTerms))``.
    """

    impl = JSONB
    cache_ok = True

    def __init__(self, type_: Any) -> None:
        super().__init__(none_as_null=True)
        self.type_ = type_
        self._adapter: TypeAdapter[T] = TypeAdapter(type_)

    def process_bind_param(self, value: T | None, dialect: Dialect) -> Any:
        """Write the value as JSON."""
        del dialect
        return None if value is None else self._adapter.dump_python(value, mode="json")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> T | None:
        """Read and validate it."""
        del dialect
        return None if value is None else self._adapter.validate_python(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Compare as JSONB, so that its operators take plain values."""
        del op, value
        return self.impl_instance
