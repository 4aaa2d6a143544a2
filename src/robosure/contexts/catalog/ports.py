"""What the catalogue needs from outside: where its products are kept."""

from __future__ import annotations

from typing import Protocol

from robosure.contexts.catalog.domain import Product


class Products(Protocol):
    """The products of this installation."""

    async def add(self, product: Product) -> None:
        """Keep a new one.

        Raises:
            AlreadyExists: another has that code.
        """
        ...

    async def get(self, code: str) -> Product:
        """Return one, with every version.

        Raises:
            NotFound: there is none.
        """
        ...

    async def save(self, product: Product) -> None:
        """Write a change now.

        Raises:
            Stale: someone else changed the product since it was read.
        """
        ...

    async def has(self, code: str) -> bool:
        """Whether there is one of that code."""
        ...
