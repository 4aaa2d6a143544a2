"""What can be said to the API at all: by which words, in which place, of what."""

from __future__ import annotations

import ast
import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

import robosure
from robosure.kernel.errors import Unavailable
from robosure.platform.http.access import api_routes
from robosure.platform.runtime import Runtime
from robosure.platform.security.passwords import Passwords
from robosure.platform.security.vault import FernetVault
from tests.integration.platform.testing.app import an_app
from tests.support import ApiClient, FixedClock
from tests.wire import listening

SOURCE: Final = Path(robosure.__file__).parent
SECRET_NAMES: Final = ("password", "token", "secret", "api_key", "authorization")
NO_SECRETS: Final = {"api_key_id"}
USER: Final = {"email": "a@b.example", "roles": "admin"}
READS: Final = {"GET", "HEAD", "OPTIONS"}
FORMATS: Final = {"strftime": 0, "strptime": 1}
NAMED_FORMATS: Final = {
    "platform/cache.py: key": "of a decorator, which is handed a constant",
    "platform/log_export.py: self": "of a handler of the log, and no text",
    "platform/streams/kafka_bus/topics.py: weakness": "of a mapping of constants",
    "contexts/robots/domain/cells.py: pattern": "checked as profiles are taken in",
    "contexts/robots/domain/profile.py: pattern": "the check of the one before",
}
"""What is used as a format and not written where it is used, and why it may be."""


def operations(api: ApiClient) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in api.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


# --- where things are said ------------------------------------------------------------


def test_who_asks_is_told_by_a_header_alone(api: ApiClient) -> None:
    # a browser sends no such header by itself, nor to another origin without asking
    schemes = api.app.openapi()["components"]["securitySchemes"]
    for scheme in schemes.values():
        by_token = scheme["type"] == "oauth2" or scheme.get("scheme") == "bearer"
        by_key = scheme["type"] == "apiKey" and scheme["in"] == "header"
        assert by_token or by_key, scheme


def test_no_cookie_but_that_of_a_sign_on_is_asked_for_or_set(api: ApiClient) -> None:
    asked = {
        name
        for name, operation in operations(api)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "cookie"
    }
    assert asked == set()
    written = [
        file.name
        for file in SOURCE.rglob("*.py")
        if "set_cookie" in (text := file.read_text()) or "Set-Cookie" in text
    ]
    # (which `test_single_sign_on.py` looks at)
    assert written == ["single_sign_on.py"]


def test_nothing_secret_is_said_in_a_url(api: ApiClient) -> None:
    named = {
        parameter["name"].lower()
        for _, operation in operations(api)
        for parameter in operation.get("parameters", [])
        if parameter["in"] in {"query", "path"}
    }
    assert len(named) > 10
    secret = {
        name for name in named if any(each in name for each in SECRET_NAMES)
    } - NO_SECRETS
    assert secret == set()


async def test_what_belongs_in_the_body_is_not_taken_from_the_url(
    api: ApiClient,
) -> None:
    async with api.as_("admin") as client:
        answer = await client.post("/users", params=dict.fromkeys(USER, "x"))
        beside = await client.post("/users", params=USER, json={"name": "Ada"})
    assert answer.status_code == 422
    missing = {each["field"] for each in beside.json()["errors"]}
    assert missing >= {"body.email", "body.roles"}


def test_no_route_that_only_reads_can_write(api: ApiClient) -> None:
    writing = [
        name
        for name, route in api_routes(api.app)
        if isinstance(route, APIRoute)
        and (route.methods or set()) <= READS
        and any(_opens_a_write_session(each) for each in all_of(route.dependant))
    ]
    assert writing == []
    # and those that write are seen to
    assert any(
        _opens_a_write_session(each)
        for _, route in api_routes(api.app)
        for each in all_of(route.dependant)
    )


def all_of(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from all_of(each)


def _opens_a_write_session(dependant: Dependant) -> bool:
    call = dependant.call
    return (getattr(call, "__module__", ""), getattr(call, "__name__", "")) == (
        "robosure.platform.http.edge",
        "_write",
    )


def test_no_hint_or_question_stands_for_a_password(api: ApiClient) -> None:
    schemas = api.app.openapi()["components"]["schemas"]
    named = {
        name.lower() for each in schemas.values() for name in each.get("properties", {})
    }
    assert "password" in named
    assert [name for name in named if "hint" in name or "question" in name] == []


def test_formats_are_ours_and_not_data() -> None:
    found = {
        f"{file.relative_to(SOURCE)}: {written}"
        for file in SOURCE.rglob("*.py")
        for written in formats_in(file.read_text())
    }
    assert found == NAMED_FORMATS.keys()


@pytest.mark.parametrize(
    "code", ["given.format(1)", "a.strftime(given)", "b.strptime('1', given)"]
)
def test_a_format_that_is_data_is_noticed(code: str) -> None:
    assert list(formats_in(code)) == ["given"]


def formats_in(code: str) -> Iterator[str]:
    """Yield what is used as a format, unless it is a text or named as a constant."""
    for call in ast.walk(ast.parse(code)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        name = call.func.attr
        if name in {"format", "format_map"}:
            used: ast.expr = call.func.value
        elif name in FORMATS:
            used = call.args[FORMATS[name]]
        else:
            continue
        constant = isinstance(used, ast.Name) and used.id.isupper()
        if not constant and not isinstance(used, ast.Constant):
            yield ast.unparse(used)


# --- what is not there ----------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/.git/config",
        "/.env",
        "/pyproject.toml",
        "/docs-assets/",
        "/docs-assets/../pyproject.toml",
        "/docs-assets/%2e%2e/%2e%2e/pyproject.toml",
        "/docs-assets//etc/passwd",
    ],
)
async def test_neither_a_checkout_nor_a_directory_is_served(
    api: ApiClient, path: str
) -> None:
    async with api.anonymous() as client:
        answer = await client.get(f"http://robosure.test{path}")
    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "DEBUG"])
async def test_a_method_that_shows_what_was_sent_is_not_known(
    api: ApiClient, method: str
) -> None:
    async with api.as_("admin") as client:
        answer = await client.request(method, "/auth/me")
    assert answer.status_code == 405
    assert "Bearer" not in answer.text


# --- one request is one request -------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 4", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 4"],
        ["Content-Length: 4", "Content-Length: 5"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding : chunked"],
    ],
)
async def test_a_request_whose_end_is_in_doubt_is_refused_and_nothing_behind_it_read(
    runtime: Runtime, clock: FixedClock, headers: list[str]
) -> None:
    lines = ["POST /api/v1/echo HTTP/1.1", "Host: a", *headers, "", "0", "", ""]
    behind = ["GET /health HTTP/1.1", "Host: a", "", ""]
    async with listening(an_app(runtime)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write("\r\n".join(lines + behind).encode())
        async with asyncio.timeout(10):
            answer = await reader.read()  # until the server hangs up
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


# --- secrets as they are ------------------------------------------------------------


async def test_a_password_is_verified_as_it_was_typed_however_long() -> None:
    passwords = Passwords()
    typed = "Ünïcode Ⅻ  two spaces " + "x" * 100
    stored = await passwords.hash(typed)
    assert (await passwords.verify(typed, stored))[0] is True
    for other in (typed[:-1], typed[:72], typed.lower(), typed + " ", typed.strip("x")):
        assert (await passwords.verify(other, stored))[0] is False


@pytest.mark.parametrize("at", [0, 9, 30, -20, -1])
def test_what_is_sealed_is_refused_when_a_byte_of_it_changed(at: int) -> None:
    vault = FernetVault(["an encryption key"])
    sealed = bytearray(urlsafe_b64decode(vault.seal("whsec_canary")))
    assert b"canary" not in sealed
    sealed[at] ^= 1
    with pytest.raises(Unavailable):
        vault.open(urlsafe_b64encode(sealed).decode())
