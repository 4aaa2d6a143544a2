"""The catalogue's read side: lists, full-text search, and one product's terms."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from sqlalchemy import func, select

from robosure.contexts.catalog.schemas import (
    ProductOut,
    ProductSummary,
    ProductVersionOut,
)
from robosure.contexts.catalog.tables import product_versions, products
from robosure.kernel.errors import NotFound
from robosure.platform.cache import Cache, cached
from robosure.platform.database import Database, ReadSession, WriteSession
from robosure.platform.http import Page, PageRequest, paginate

_CURRENT: Final = "catalog:products:{code}:{day}"
_KEPT_FOR: Final = timedelta(minutes=5)

_summaries: Final = select(
    products.c.id,
    products.c.code,
    products.c.name,
    products.c.description,
    products.c.latest_version,
    products.c.coverage_names,
)
_terms: Final = select(
    products.c.id,
    products.c.code,
    products.c.name,
    products.c.description,
    products.c.latest_version,
    product_versions.c.number,
    product_versions.c.effective_from,
    product_versions.c.published_at,
    product_versions.c.terms,
).join(product_versions)


async def list_products(
    session: ReadSession, cursor: PageRequest
) -> Page[ProductSummary]:
    """List all products."""
    return await paginate(
        session, _summaries, by=products.c.id, cursor=cursor, model=ProductSummary
    )


async def search_products(
    session: ReadSession, words: str, *, limit: int
) -> Page[ProductSummary]:
    """Find products by words in code, name, coverages or description, best first.

    Args:
        session: to read on.
        words: as typed into a search box: ``cyber -recall "public space"``.
        limit: how many at most; there is no next page.
    """
    query = func.websearch_to_tsquery("english", words)
    statement = (
        _summaries.where(products.c.search.op("@@")(query))
        .order_by(func.ts_rank_cd(products.c.search, query).desc(), products.c.id)
        .limit(limit)
    )
    rows = (await session.execute(statement)).all()
    return Page(
        items=[ProductSummary.model_validate(row) for row in rows], next_cursor=None
    )


@cached(_CURRENT, type_=ProductOut, ttl=_KEPT_FOR)
async def current_product(
    _cache: Cache, *, database: Database, code: str, day: date
) -> ProductOut:
    """Return a product on the terms of that day; a connection is taken on a miss only.

    Raises:
        NotFound: there is no such product, or it is not sold yet.
    """
    statement = (
        _terms.where(products.c.code == code, product_versions.c.effective_from <= day)
        .order_by(product_versions.c.number.desc())
        .limit(1)
    )
    async with database.read() as session:
        row = (await session.execute(statement)).first()
        if row is None:
            await _require_product(session, code)
            raise NotFound("product_not_sold_yet", product=code)
    return ProductOut.model_validate(row)


def forget_current_product(
    session: WriteSession, cache: Cache, *, code: str, day: date
) -> None:
    """Let readers see what this transaction publishes, once it is committed."""

    async def forget() -> None:
        await cache.invalidate(_CURRENT.format(code=code, day=day))

    session.after_commit(forget)


async def product_version(
    session: ReadSession, code: str, *, number: int
) -> ProductOut:
    """Return a product on the terms of one version.

    Raises:
        NotFound: there is no such product, or no such version of it.
    """
    statement = _terms.where(
        products.c.code == code, product_versions.c.number == number
    )
    row = (await session.execute(statement)).first()
    if row is None:
        await _require_product(session, code)
        raise NotFound("product_version_not_found", product=code, version=number)
    return ProductOut.model_validate(row)


async def list_versions(session: ReadSession, code: str) -> Page[ProductVersionOut]:
    """List a product's versions, newest first, all of them.

    Raises:
        NotFound: there is no such product.
    """
    await _require_product(session, code)
    statement = (
        select(
            product_versions.c.number,
            product_versions.c.effective_from,
            product_versions.c.published_at,
        )
        .join(products)
        .where(products.c.code == code)
        .order_by(product_versions.c.number.desc())
    )
    rows = (await session.execute(statement)).all()
    return Page(
        items=[ProductVersionOut.model_validate(row) for row in rows], next_cursor=None
    )


async def _require_product(session: ReadSession, code: str) -> None:
    statement = select(products.c.id).where(products.c.code == code)
    if (await session.execute(statement)).first() is None:
        raise NotFound("product_not_found", product=code)
