"""The express lane: the same answers as FastAPI's own, and the same guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from structlog.testing import capture_logs

from robosure.kernel.errors import Invalid
from robosure.platform.http import (
    ApiRouter,
    OutputModel,
    Principal,
    express,
    requires,
)
from robosure.platform.http.access import authenticate
from robosure.platform.http.app import build_app
from robosure.platform.http.edge import Edge
from robosure.platform.metrics import exposition
from robosure.platform.runtime import Runtime
from tests.integration.platform.testing.app import an_app
from tests.support import ApiClient, FixedClock


class Echo(OutputModel):
    who: str
    size: int
    note: str | None


def same(endpoint: Any) -> Any:
    return endpoint


def a_router(mark: Any) -> ApiRouter:
    router = ApiRouter(tags=["testing"])

    @router.post("/echo", status_code=202)
    @mark  # type: ignore[untyped-decorator]  # either lane's
    async def echo(
        *,
        request: Request,
        principal: Annotated[Principal, requires("carts:write")],
        note: Annotated[str | None, Header(alias="X-Note", max_length=3)] = None,
    ) -> Echo:
        """Say what came."""
        body = await request.body()
        if body == b"invalid":
            raise Invalid("echo_invalid", size=7)
        if body == b"http":
            raise HTTPException(415, "no such thing")
        if body == b"away":
            raise ConnectionRefusedError
        if body == b"broken":
            raise RuntimeError("canary")
        return Echo(who=principal.name, size=len(body), note=note)

    return router


def an_application(runtime: Runtime, mark: Any) -> ApiClient:
    edge: Edge = an_app(runtime).state.edge

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = build_app(
        [a_router(mark)],
        lifespan=live,
        title="Testing",
        version="1",
        description="",
        settings=runtime.settings.model_copy(update={"max_body_bytes": 1_000}),
    )
    app.state.edge = edge
    return ApiClient(app)


REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {"content": b"hello"},
    "empty": {},
    "with a header": {"content": b"x", "headers": {"x-note": "abc"}},
    "with a header that is too long": {"headers": {"X-Note": "abcd"}},
    "with another's request id": {"headers": {"X-Request-ID": "mine-1"}},
    "invalid": {"content": b"invalid"},
    "refused by HTTP": {"content": b"http"},
    "with a server away": {"content": b"away"},
    "broken": {"content": b"broken"},
    "too large": {"content": b"x" * 1_001},
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("role", ["underwriter", "adjuster", None])
async def test_an_express_route_answers_as_an_ordinary_one(
    runtime: Runtime, clock: FixedClock, name: str, role: str | None
) -> None:
    # given the same route on both lanes
    answers: list[httpx.Response] = []
    for mark in (express, same):
        web = an_application(runtime, mark)
        client = web.as_(role) if role else web.anonymous()
        # when the same request comes
        answers.append(await client.post("/echo", **REQUESTS[name]))
    # then both answer the same
    first, second = (
        (each.status_code, _without_ids(each), _headers(each)) for each in answers
    )
    assert first == second


def _without_ids(answer: httpx.Response) -> Any:
    document = answer.json()
    document.pop("request_id", None)
    return document


def _headers(answer: httpx.Response) -> dict[str, str]:
    kept = {"content-type", "content-length", "retry-after", "www-authenticate"}
    return {name: value for name, value in answer.headers.items() if name in kept}


async def test_an_express_route_is_documented_and_guarded_like_any(
    runtime: Runtime,
) -> None:
    documents = [
        an_application(runtime, mark).app.openapi()["paths"]["/api/v1/echo"]
        for mark in (express, same)
    ]
    assert documents[0] == documents[1]
    assert documents[0]["post"]["security"]


async def test_an_express_route_is_counted_and_logged_only_when_it_refuses(
    runtime: Runtime, clock: FixedClock
) -> None:
    web = an_application(runtime, express)
    client = web.as_("underwriter")
    with capture_logs() as logs:
        await client.post("/echo", content=b"fine")
        await client.post("/echo", content=b"invalid")
    completed = [log for log in logs if log["event"].endswith("request_completed")]
    assert [(log["endpoint"], log["status"]) for log in completed] == [
        ("/api/v1/echo", 422)
    ]
    counted = (
        'http_request_duration_seconds_count{endpoint="/api/v1/echo",'
        'method="POST",status="202"}'
    )
    assert counted in exposition().decode()


async def test_an_override_of_a_dependency_counts(
    runtime: Runtime, clock: FixedClock
) -> None:
    web = an_application(runtime, express)
    someone = web.principal("underwriter")
    web.app.dependency_overrides[authenticate] = lambda: someone
    answer = await web.anonymous().post("/echo", content=b"x")
    assert answer.json() == {"who": "a test underwriter", "size": 1, "note": None}


def test_a_route_that_asks_for_more_is_no_express_route(runtime: Runtime) -> None:
    router = ApiRouter(tags=["testing"])

    @router.get("/more/{name}", dependencies=[requires("carts:read")])
    @express
    async def more(name: str, other: Annotated[int, Depends(lambda: 1)]) -> Echo:
        return Echo(who=name, size=other, note=None)

    with pytest.raises(TypeError, match=r"/more/\{name\}: an express route asks"):
        built(router, runtime)


def test_a_sensitive_route_is_no_express_route(runtime: Runtime) -> None:
    router = ApiRouter(tags=["testing"])

    @router.get("/more", dependencies=[requires("carts:read", sensitive=True)])
    @express
    async def more(request: Request) -> Echo:
        return Echo(who=request.url.path, size=0, note=None)

    with pytest.raises(TypeError, match="/more: an express route is not sensitive"):
        built(router, runtime)


def built(router: ApiRouter, runtime: Runtime) -> FastAPI:
    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        yield

    return build_app(
        [router],
        lifespan=live,
        title="Testing",
        version="1",
        description="",
        settings=runtime.settings,
    )
