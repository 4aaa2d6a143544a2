"""A value of a context variable, stated for a block and given back after it."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Generic, TypeVar

T = TypeVar("T")


class Stated(Generic[T]):
    """States it; a request does so several times, and a generator would take longer."""

    __slots__ = ("_before", "_value", "_variable")

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable = variable
        self._value = value
        self._before: Token[T] | None = None

    def __enter__(self) -> None:
        self._before = self._variable.set(self._value)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            self._variable.reset(self._before)
