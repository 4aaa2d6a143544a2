"""Every route of the real application states who may use it."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI

from robosure.platform.http import public
from robosure.platform.http.access import api_routes, routes_without_access
from tests.support import ApiClient, code_of

NOT_DURABLE = "Redis keeps no append-only file: a restart loses every event"


async def test_every_route_states_a_permission_or_that_it_is_public(
    api: ApiClient,
) -> None:
    assert routes_without_access(api.app) == []
    assert len(list(api_routes(api.app))) > 4


def test_a_route_that_states_neither_is_found_however_it_is_included() -> None:
    # given a router with one route that states nothing
    router = APIRouter()

    @router.get("/open", dependencies=[public()])
    async def stated() -> None: ...

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    outer = APIRouter()
    outer.include_router(router, prefix="/inner")
    app = FastAPI()
    app.include_router(outer, prefix="/api/v1")
    # then it alone is named
    assert routes_without_access(app) == ["GET /api/v1/inner/forgotten"]


async def test_health_and_readiness_answer(api: ApiClient) -> None:
    async with api.anonymous() as client:
        assert (await client.get("http://robosure.test/health")).json() == {
            "status": "alive"
        }
        ready = await client.get("http://robosure.test/ready")
        assert ready.json() == {
            "status": "ready",
            "checks": {
                "database": "ok",
                "redis": "ok",
                "bus": "ok",
                # The tests' Redis is fast instead.
                "rights": "more than needed",
                "durability": NOT_DURABLE,
                "scanner": "off",
            },
        }
        missing = await client.get("/nothing-here")
        assert (missing.status_code, code_of(missing)) == (404, "not_found")


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/metrics"])
async def test_the_documentation_and_metrics_are_served(
    api: ApiClient, path: str
) -> None:
    async with api.anonymous() as client:
        response = await client.get(f"http://robosure.test{path}")
    assert response.status_code == 200
    assert "cdn." not in response.text
