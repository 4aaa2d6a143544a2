"""A small application of the tests' own, built as the real one is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, FastAPI, Form, Response
from pydantic import Field
from sqlalchemy import insert, select

from robosure.kernel.errors import Invalid, NotFound, NotYetKnown, Stale
from robosure.kernel.ids import uuid7
from robosure.platform.http import (
    ApiRouter,
    Cursor,
    Idempotent,
    IfMatch,
    InputModel,
    OutputModel,
    Page,
    Principal,
    ReadDb,
    WriteDb,
    paginate,
    public,
    requires,
    set_etag,
    signed_in,
)
from robosure.platform.http.app import build_app
from robosure.platform.http.edge import Edge
from robosure.platform.logging import get_logger
from robosure.platform.runtime import Runtime
from robosure.platform.security import Authorities, Passwords, RoleCatalogue, Tokens
from robosure.platform.settings import Settings
from robosure.platform.streams.bus import INGEST
from robosure.platform.streams.pressure import Pressure
from tests.integration.platform.testing.cart import Cart, carts, effects

MAX_BODY = 10_000
PERMISSIONS = {"carts:write": {"admin", "underwriter"}, "carts:read": {"admin"}}
router = ApiRouter(tags=["testing"])


class Gates:
    """Lets a test hold a request where it is."""

    entered = asyncio.Event()
    leave = asyncio.Event()


class NewCart(InputModel):
    name: str
    amount: int = Field(default=0, description="How much.")


class CartShown(OutputModel):
    id: UUID
    name: str
    amount: int


async def _add(session: WriteDb, new: NewCart) -> Cart:
    cart = Cart(new.name, new.amount)
    session.add(cart)
    if new.name == "held":
        Gates.entered.set()
        await Gates.leave.wait()
    if new.name == "invalid":
        await session.flush()
        raise Invalid("cart_invalid", name=new.name)
    return cart


@router.post(
    "/carts",
    status_code=201,
    dependencies=[requires("carts:write"), Idempotent],
)
async def add_cart(session: WriteDb, new: NewCart, response: Response) -> CartShown:
    cart = await _add(session, new)
    response.headers["Location"] = f"/api/v1/carts/{cart.id}"
    return CartShown.model_validate(cart)


@router.post(
    "/carts/form", status_code=201, dependencies=[requires("carts:write"), Idempotent]
)
async def add_by_form(session: WriteDb, name: Annotated[str, Form()]) -> CartShown:
    return CartShown.model_validate(await _add(session, NewCart(name=name)))


@router.post(
    "/tallies", status_code=201, dependencies=[requires("carts:write"), Idempotent]
)
async def add_tally(session: WriteDb, new: NewCart) -> dict[str, int]:
    statement = insert(effects).values(group="tally", what=new.name)
    added = await session.execute(statement.returning(effects.c.id))
    return {"number": added.scalar_one()}


@router.get("/carts", dependencies=[requires("carts:read")])
async def list_carts(session: ReadDb, cursor: Cursor) -> Page[CartShown]:
    statement = select(carts.c.id, carts.c.name, carts.c.amount)
    return await paginate(
        session, statement, by=carts.c.id, cursor=cursor, model=CartShown
    )


@router.put("/carts/{cart_id}/amount", dependencies=[requires("carts:write")])
async def set_amount(
    session: WriteDb,
    cart_id: UUID,
    amount: Annotated[int, Body(embed=True)],
    expected: IfMatch,
    response: Response,
) -> CartShown:
    cart = await session.get(Cart, cart_id)
    if cart is None:
        raise NotFound("cart_not_found", cart_id=cart_id)
    if expected is not None and expected != cart.version:
        raise Stale("stale_version")
    cart.amount = amount
    await session.flush()
    set_etag(response, cart.version)
    return CartShown.model_validate(cart)


@router.get("/me")
async def who(principal: Annotated[Principal, signed_in()]) -> dict[str, Any]:
    return {"name": principal.name, "kind": principal.kind}


@router.post("/echo", dependencies=[public()])
async def echo(document: Annotated[dict[str, Any], Body()]) -> dict[str, int]:
    return {"fields": len(document)}


@router.get("/broken/{name}", dependencies=[public()])
async def broken(name: str) -> None:
    get_logger().info("testing.app.break_started")
    if name == "not-yet":
        raise NotYetKnown("cover_not_yet_known")
    if name == "file":
        raise FileNotFoundError(2, "no such file", "/srv/canary/path")
    message = f"password=canary in {name}"
    raise RuntimeError(message)


@router.post("/text", dependencies=[public()])
async def store_text(session: WriteDb, name: Annotated[str, Body(embed=True)]) -> None:
    await session.execute(
        insert(carts).values(id=uuid7(), version=1, name=name, amount=0)
    )


def _nobodys(_session: object) -> Authorities:
    raise AssertionError("nothing is approved here")


def an_app(runtime: Runtime, **changes: Any) -> FastAPI:
    """Build the application on this runtime, or one with these changes."""

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        yield

    settings: Settings = changes.get("settings", runtime.settings)
    app = build_app(
        [router],
        lifespan=live,
        title="Testing",
        version="1",
        description="",
        settings=settings.model_copy(update={"max_body_bytes": MAX_BODY}),
    )
    app.state.edge = Edge(
        runtime=replace(runtime, **changes),
        tokens=Tokens.from_settings(runtime.settings),
        passwords=Passwords(),
        roles=RoleCatalogue([PERMISSIONS]),
        authenticator=None,
        authorities=_nobodys,
        pressure=Pressure(runtime.bus, INGEST, "testing", settings=runtime.settings),
    )
    return app
