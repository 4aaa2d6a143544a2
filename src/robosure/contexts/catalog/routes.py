"""The catalogue over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from robosure.contexts.catalog import queries
from robosure.contexts.catalog.domain import Product, ProductVersion
from robosure.contexts.catalog.repository import SqlProducts
from robosure.contexts.catalog.schemas import (
    ProductIn,
    ProductOut,
    ProductSummary,
    ProductVersionIn,
    ProductVersionOut,
)
from robosure.contexts.catalog.service import ProductService
from robosure.platform.http import (
    ApiRouter,
    CacheDep,
    ClockDep,
    Cursor,
    IfMatch,
    Page,
    Principal,
    ReadDb,
    RuntimeDep,
    WriteDb,
    problems,
    requires,
    set_etag,
)

router = ApiRouter(tags=["catalog"])

ProductCode = Annotated[
    str,
    Path(pattern="^[a-z0-9-]{1,64}$", description="Such as `robot-comprehensive`."),
]


def _service(session: WriteDb, clock: ClockDep) -> ProductService:
    return ProductService(SqlProducts(session), clock=clock)


Service = Annotated[ProductService, Depends(_service)]


@router.get(
    "/products",
    summary="List or search products",
    dependencies=[requires("products:read")],
    responses=problems(422),
)
async def list_products(
    session: ReadDb,
    cursor: Cursor,
    q: Annotated[
        str | None,
        Query(
            max_length=200,
            pattern=r"^[^\x00]*$",
            description="Words to find, best match first, on a single page.",
            examples=["cyber"],
        ),
    ] = None,
) -> Page[ProductSummary]:
    """Answer all products, newest first, or those that match the words in `q`."""
    if q is None:
        return await queries.list_products(session, cursor)
    return await queries.search_products(session, q, limit=cursor.limit)


@router.get(
    "/products/{code}",
    summary="Read a product",
    dependencies=[requires("products:read")],
    responses=problems(404, 422),
)
async def read_product(
    code: ProductCode,
    response: Response,
    runtime: RuntimeDep,
    version: Annotated[
        int | None,
        Query(ge=1, lt=2**31, description="A version; the current one if left out."),
    ] = None,
) -> ProductOut:
    """Answer the terms that are sold today, or those of one version."""
    if version is None:
        product = await queries.current_product(
            runtime.cache,
            database=runtime.database,
            code=code,
            day=runtime.clock.now().date(),
        )
    else:
        async with runtime.database.read() as session:
            product = await queries.product_version(session, code, number=version)
    set_etag(response, product.latest_version)
    return product


@router.get(
    "/products/{code}/versions",
    summary="List a product's versions",
    dependencies=[requires("products:read")],
    responses=problems(404, 422),
)
async def list_versions(code: ProductCode, session: ReadDb) -> Page[ProductVersionOut]:
    """Answer every version, newest first, on a single page."""
    return await queries.list_versions(session, code)


@router.post(
    "/products",
    summary="Bring a product",
    status_code=201,
    responses=problems(409, 422),
)
async def launch_product(
    body: ProductIn,
    response: Response,
    principal: Annotated[Principal, requires("products:manage")],
    service: Service,
) -> ProductOut:
    """Bring a product with its first version. Only an insurer's admin may."""
    product = await service.launch(
        principal,
        code=body.code,
        name=body.name,
        description=body.description,
        effective_from=body.effective_from,
        terms=body.terms,
    )
    return _answer(response, product, product.versions[-1])


@router.post(
    "/products/{code}/versions",
    summary="Publish new terms",
    status_code=201,
    responses=problems(404, 409, 412, 422),
)
async def publish_version(
    *,
    code: ProductCode,
    body: ProductVersionIn,
    response: Response,
    session: WriteDb,
    cache: CacheDep,
    clock: ClockDep,
    principal: Annotated[Principal, requires("products:manage")],
    service: Service,
    if_match: IfMatch,
) -> ProductOut:
    """Publish terms from today or a later day on; older versions stay as they are."""
    product, version = await service.publish(
        principal,
        code,
        expected_version=if_match,
        effective_from=body.effective_from,
        terms=body.terms,
    )
    day = clock.now().date()
    queries.forget_current_product(session, cache, code=code, day=day)
    return _answer(response, product, version)


def _answer(
    response: Response, product: Product, version: ProductVersion
) -> ProductOut:
    set_etag(response, product.latest_version)
    return ProductOut(
        id=product.id,
        code=product.code,
        name=product.name,
        description=product.description,
        latest_version=product.latest_version,
        number=version.number,
        effective_from=version.effective_from,
        published_at=version.published_at,
        terms=version.terms,
    )
