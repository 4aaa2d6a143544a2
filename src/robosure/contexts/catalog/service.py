"""The catalogue's use cases: bringing products and publishing new terms."""

from __future__ import annotations

from datetime import date

from robosure.contexts.catalog.domain import Product, ProductVersion
from robosure.contexts.catalog.events import ProductTerms
from robosure.contexts.catalog.ports import Products
from robosure.contexts.catalog.repository import SqlProducts
from robosure.contexts.catalog.schemas import ProductIn, shipped_documents
from robosure.kernel.errors import Forbidden, Stale
from robosure.kernel.time import Clock, SystemClock
from robosure.platform.database import Database
from robosure.platform.logging import DomainLogger, LoggerMixin
from robosure.platform.security import Principal
from robosure.platform.settings import Settings


class ProductService(LoggerMixin):
    """Brings products and publishes their versions."""

    def __init__(self, products: Products, *, clock: Clock) -> None:
        self._products = products
        self._clock = clock

    async def launch(
        self,
        by: Principal,
        *,
        code: str,
        name: str,
        description: str,
        effective_from: date,
        terms: ProductTerms,
    ) -> Product:
        """Bring a product with its first version.

        Raises:
            Forbidden: only insurers do that.
            AlreadyExists: another has that code.
            Invalid: see :meth:`Product.launch`.
        """
        _insurers_only(by)
        product = Product.launch(
            code=code,
            name=name,
            description=description,
            effective_from=effective_from,
            terms=terms,
            at=self._clock.now(),
        )
        await self._products.add(product)
        self.logger.info("catalog.service.launch_completed", product=code)
        return product

    async def publish(
        self,
        by: Principal,
        code: str,
        *,
        expected_version: int | None,
        effective_from: date,
        terms: ProductTerms,
    ) -> tuple[Product, ProductVersion]:
        """Publish new terms for a product.

        Args:
            by: who does it.
            code: the product's.
            expected_version: number of the latest version that the caller knows of;
                None to publish whatever came before.
            effective_from: first day on which they hold.
            terms: the new ones, all of them.

        Raises:
            Forbidden: only insurers do that.
            NotFound: no such product.
            Stale: there is a later version than the caller knows of.
            Invalid, InvalidState: see :meth:`Product.publish`.
        """
        _insurers_only(by)
        product = await self._products.get(code)
        if expected_version is not None and product.latest_version != expected_version:
            raise Stale("stale_version", version=product.latest_version)
        version = product.publish(
            effective_from=effective_from, terms=terms, at=self._clock.now()
        )
        await self._products.save(product)
        self.logger.info(
            "catalog.service.publish_completed", product=code, number=version.number
        )
        return product, version


def _insurers_only(by: Principal) -> None:
    if by.organisation_kind != "insurer":
        raise Forbidden("insurer_only")


async def seed(database: Database, _settings: Settings) -> None:
    """Bring the products that ship with the platform; what is there already stays."""
    clock = SystemClock()
    for text in shipped_documents():
        document = ProductIn.model_validate_json(text)
        async with database.write() as session:
            products = SqlProducts(session)
            if await products.has(document.code):
                continue
            product = Product.launch(
                code=document.code,
                name=document.name,
                description=document.description,
                effective_from=document.effective_from,
                terms=document.terms,
                at=clock.now(),
            )
            await products.add(product)
        DomainLogger("catalog", "seed").completed("launch", product=document.code)
