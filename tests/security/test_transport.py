"""What the edge tells browsers, whom it serves, and what it does not wait for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Mount, Route

from robosure.entrypoints.api import create_app
from robosure.platform.jobs import install_sender
from robosure.platform.runtime import Runtime
from robosure.platform.settings import Settings
from tests.integration.platform.testing.app import MAX_BODY, an_app
from tests.support import ApiClient, FixedClock, code_of
from tests.wire import answered, listening

OF_PAGES = {"/docs", "/redoc", "/docs-assets", "/openapi.json", "/asyncapi.json"}
ALWAYS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), "
    "usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def serving(runtime: Runtime, **settings: Any) -> ApiClient:
    changed = runtime.settings.model_copy(update=settings)
    return ApiClient(an_app(runtime, settings=changed))


def said(answer: httpx.Response, names: Any) -> dict[str, str | None]:
    return {name: answer.headers.get(name) for name in names}


# --- headers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/me", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/broken/bug", 500),
        ("POST", "/echo", 422),
        ("GET", "http://robosure.test/health", 200),
    ],
)
async def test_every_answer_keeps_browsers_from_making_more_of_it(
    runtime: Runtime, clock: FixedClock, method: str, path: str, status: int
) -> None:
    async with serving(runtime).as_("admin") as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert said(answer, ALWAYS) == ALWAYS
    assert "strict-transport-security" not in answer.headers
    assert "server" not in answer.headers


async def test_on_the_express_lane_too(api: ApiClient) -> None:
    async with api.anonymous() as nobody, api.as_("admin") as somebody:
        for client in (nobody, somebody):
            answer = await client.post("/events", json={})
            assert answer.status_code >= 400
            assert said(answer, ALWAYS) == ALWAYS


async def test_in_production_browsers_are_kept_to_tls(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with serving(runtime, environment="production").anonymous() as client:
        answer = await client.get("https://robosure.test/api/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["strict-transport-security"] == (
        "max-age=31536000; includeSubDomains"
    )


# --- over TLS only --------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/me", "/nowhere", "http://robosure.test/docs"])
async def test_who_asks_without_tls_is_not_led_to_it(
    runtime: Runtime, clock: FixedClock, path: str
) -> None:
    # a client that sent its key in the clear by mistake is to notice it
    async with serving(runtime, environment="production").as_("admin") as client:
        for method in ("GET", "POST"):
            answer = await client.request(method, path)
            assert answer.request.url.scheme == "http"
            assert (answer.status_code, code_of(answer)) == (403, "https_required")
            assert answer.headers["connection"] == "close"
            assert not answer.has_redirect_location
            assert "location" not in answer.headers


async def test_in_the_clear_not_even_the_express_lane_answers(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with serving(runtime, environment="production").as_("admin") as client:
        plain = await client.post("/events", json={})
        secure = await client.post("https://robosure.test/api/v1/events", json={})
    assert (plain.status_code, code_of(plain)) == (403, "https_required")
    assert code_of(secure) != "https_required"


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_who_watches_over_the_process_is_answered_at_its_address(
    runtime: Runtime, clock: FixedClock, path: str
) -> None:
    async with serving(runtime, environment="production").anonymous() as client:
        answer = await client.get(f"http://robosure.test{path}")
    # as the database of the tests lets it
    assert answer.json()["status"] in {"alive", "ready", "not ready"}


BEHIND = {"trusted_proxies": (ip_network("127.0.0.0/8"),)}
ELSEWHERE = {"trusted_proxies": (ip_network("10.0.0.0/8"),)}


@pytest.mark.parametrize(
    ("proxies", "came", "served"),
    [
        (BEHIND, ("http", ["https"]), True),
        (BEHIND, ("http", ["HTTPS"]), True),
        (BEHIND, ("http", ["https, https"]), True),
        (BEHIND, ("http", []), False),
        (BEHIND, ("http", ["http"]), False),
        (BEHIND, ("http", [""]), False),
        # the client wrote one itself, and the proxy added what it saw
        (BEHIND, ("http", ["https", "http"]), False),
        (BEHIND, ("http", ["https,http"]), False),
        # a proxy that came over TLS tells of a client that did not
        (BEHIND, ("https", ["http"]), False),
        (BEHIND, ("https", []), True),
        # anybody can write it
        ({}, ("http", ["https"]), False),
        (ELSEWHERE, ("http", ["https"]), False),
        (ELSEWHERE, ("https", ["http"]), True),
    ],
)
async def test_only_a_trusted_proxy_is_believed_that_a_client_came_over_tls(
    runtime: Runtime,
    clock: FixedClock,
    proxies: dict[str, Any],
    came: tuple[str, list[str]],
    served: bool,
) -> None:
    scheme, told = came
    web = serving(runtime, environment="production", **proxies)
    headers = [("X-Forwarded-Proto", each) for each in told]
    async with web.as_("admin") as client:
        url = f"{scheme}://robosure.test/api/v1/me"
        answer = await client.get(url, headers=headers)
    assert answer.status_code == (200 if served else 403)


async def test_behind_a_proxy_nobody_is_led_back_to_plain_http(
    runtime: Runtime, clock: FixedClock
) -> None:
    web = serving(runtime, environment="production", **BEHIND)
    async with web.as_("admin") as client:
        headers = {"X-Forwarded-Proto": "https"}
        answer = await client.get("/me/", headers=headers)
    assert not answer.headers.get("location", "").startswith("http://")


async def test_what_an_answer_says_itself_counts_and_is_said_once(
    api: ApiClient,
) -> None:
    async with api.anonymous() as client:
        asset = await client.get("http://robosure.test/docs-assets/swagger-ui.css")
    assert asset.headers.get_list("cache-control") == ["public, max-age=86400"]
    assert asset.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_the_pages_run_their_own_scripts_and_nothing_elses(
    api: ApiClient, page: str
) -> None:
    async with api.anonymous() as client:
        answer = await client.get(f"http://robosure.test{page}")
        policy = answer.headers["content-security-policy"]
        sources = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
        # every asset is ours, and there
        for source in sources:
            assert source.startswith("/docs-assets/")
            found = await client.get(f"http://robosure.test{source}")
            assert found.status_code == 200
    inline = len(re.findall(r"<script>", answer.text))
    scripts = re.search(r"script-src ([^;]+)", policy)
    assert scripts is not None
    assert "'unsafe" not in scripts[1]
    assert scripts[1].count("'sha256-") == inline
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


# --- who is served --------------------------------------------------------------------


async def test_no_other_origin_is_served_unless_it_is_named(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with serving(runtime).as_("admin") as client:
        answer = await client.get("/me", headers={"Origin": "https://evil.example"})
        preflight = await client.options("/me", headers=a_preflight("evil"))
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert preflight.status_code == 405


async def test_an_origin_that_is_named_is_served_with_credentials(
    runtime: Runtime, clock: FixedClock
) -> None:
    web = serving(runtime, cors_origins=("https://desk.example",))
    async with web.as_("admin") as client:
        answer = await client.get("/me", headers={"Origin": "https://desk.example"})
        other = await client.get("/me", headers={"Origin": "https://evil.example"})
        preflight = await client.options("/me", headers=a_preflight("desk"))
        refused = await client.options("/me", headers=a_preflight("evil"))
    assert answer.headers["access-control-allow-origin"] == "https://desk.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "RateLimit" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in other.headers
    assert preflight.status_code == 200
    assert "If-Match" in preflight.headers["access-control-allow-headers"]
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers


async def test_any_origin_is_served_without_credentials(
    runtime: Runtime, clock: FixedClock
) -> None:
    web = serving(runtime, cors_origins=("*",))
    async with web.as_("admin") as client:
        headers = {"Origin": "https://any.example", "Cookie": "a=b"}
        answer = await client.get("/me", headers=headers)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def a_preflight(name: str) -> dict[str, str]:
    return {
        "Origin": f"https://{name}.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,if-match",
    }


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("api.example", True),
        ("API.example:8443", True),
        ("eu.fleet.example", True),
        ("[::1]:8000", True),
        ("fleet.example", False),
        ("evil.example", False),
        ("api.example.evil.example", False),
        ("evilfleet.example", False),
        ("", False),
    ],
)
async def test_only_names_that_are_ours_are_served(
    runtime: Runtime, clock: FixedClock, host: str, served: bool
) -> None:
    hosts = ("api.example", "*.fleet.example", "[::1]")
    async with serving(runtime, allowed_hosts=hosts).as_("admin") as client:
        answer = await client.get("/me", headers={"Host": host})
        alive = await client.get(
            "http://robosure.test/health", headers={"Host": "10.0.0.7:8000"}
        )
    assert answer.status_code == (200 if served else 421)
    if not served:
        assert code_of(answer) == "host_not_served"
    assert alive.status_code == 200


# --- what is exposed ------------------------------------------------------------------


def everything(app: FastAPI) -> set[str]:
    """Return every path the application answers, whatever it is made of."""
    found: set[str] = set()
    for context in iter_route_contexts(app.router.routes):
        assert isinstance(context.original_route, (APIRoute, Route, Mount))
        assert context.path is not None
        found.add(context.path)
    return found


def test_no_route_is_outside_of_the_document_but_the_pages_that_show_it(
    api: ApiClient,
) -> None:
    documented = set(api.app.openapi()["paths"])
    assert everything(api.app) - documented == OF_PAGES
    assert documented <= everything(api.app)


def test_production_shows_neither_documentation_nor_metrics(
    settings: Settings,
) -> None:
    production = settings.model_copy(update={"environment": "production"})
    app = create_app(settings=production)
    install_sender(None)
    missing = {"/docs", "/redoc", "/docs-assets", "/openapi.json"}
    assert everything(app) & (missing | {"/metrics", "/metrics/summary"}) == set()
    assert {"/health", "/ready"} <= everything(app)


@pytest.mark.parametrize("environment", ["development", "test", "production"])
def test_nobody_is_shown_what_debugging_shows(
    settings: Settings, environment: str
) -> None:
    app = create_app(settings=settings.model_copy(update={"environment": environment}))
    install_sender(None)
    assert app.debug is False


# --- bodies over a real connection ----------------------------------------------------


def a_head(*headers: str) -> str:
    lines = ["POST /api/v1/echo HTTP/1.1", "Host: a", "Content-Type: application/json"]
    return "\r\n".join([*lines, *headers, "", ""])


async def endless() -> AsyncIterator[bytes]:
    piece = b"3e8\r\n" + b" " * 1_000 + b"\r\n"
    while True:
        yield piece
        await asyncio.sleep(0.001)


async def trickling() -> AsyncIterator[bytes]:
    while True:
        yield b"1\r\n \r\n"
        await asyncio.sleep(0.05)


async def nothing() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def test_a_body_without_a_length_is_cut_off_while_it_arrives(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with listening(serving(runtime).app) as port:
        head = a_head("Transfer-Encoding: chunked")
        status, answer, sent = await answered(port, head, endless())
    assert (status, b'"code":"body_too_large"' in answer) == (413, True)
    # it was not taken to its end, of which there is none, and the connection is closed
    assert sent > MAX_BODY
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    ("header", "pieces"),
    [
        ("Transfer-Encoding: chunked", trickling),
        ("Transfer-Encoding: chunked", nothing),
        ("Content-Length: 10", nothing),
    ],
)
async def test_a_body_that_does_not_arrive_is_not_waited_for(
    runtime: Runtime, clock: FixedClock, header: str, pieces: Any
) -> None:
    async with listening(serving(runtime, max_body_seconds=0.3).app) as port:
        status, answer, _ = await answered(port, a_head(header), pieces())
    assert (status, b'"code":"body_too_slow"' in answer) == (408, True)
    assert b"connection: close" in answer.lower()
