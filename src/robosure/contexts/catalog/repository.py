"""The catalogue's port, over SQL."""

from __future__ import annotations

from sqlalchemy import exists, select

from robosure.contexts.catalog.domain import Product
from robosure.contexts.catalog.tables import products
from robosure.kernel.errors import AlreadyExists, NotFound
from robosure.platform.database import WriteSession, translating


class SqlProducts:
    """Products in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, product: Product) -> None:
        """Keep a new one."""
        taken = AlreadyExists("product_exists", product=product.code)
        async with translating(self._session, {"uq_products_code": taken}):
            self._session.add(product)

    async def get(self, code: str) -> Product:
        """Return one, with every version."""
        statement = select(Product).where(products.c.code == code)
        found = (await self._session.scalars(statement)).one_or_none()
        if found is None:
            raise NotFound("product_not_found", product=code)
        return found

    async def save(self, product: Product) -> None:
        """Write a change now."""
        async with translating(self._session, {}):
            self._session.add(product)

    async def has(self, code: str) -> bool:
        """Whether there is one of that code."""
        statement = select(exists().where(products.c.code == code))
        return bool(await self._session.scalar(statement))
