"""A patient client of the API: what fails in passing is tried again, and once only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar
from uuid import uuid4

import httpx

from robosure.entrypoints.client.errors import ClientError, RefusedError

_PATIENCE_SECONDS: Final = 90.0
_PAUSE_SECONDS: Final = 0.15
_LONGEST_PAUSE: Final = 2.0
_LONGEST_WAIT: Final = 30.0
_OVERLOADED: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
T = TypeVar("T")


class Api:
    """The API's address; who signs in gets a :class:`Caller`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def sign_in(self, email: str, password: str) -> Caller:
        """Sign in with a password; a token that expires is renewed in passing."""
        caller = Caller(self._http, credentials={"email": email, "password": password})
        await caller.renew()
        return caller

    def with_key(self, api_key: str) -> Caller:
        """Act with an API key."""
        return Caller(self._http, headers={"X-API-Key": api_key})


class Caller:
    """Someone who is signed in."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        headers: Mapping[str, str] | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        self._http = http
        self._headers = dict(headers or {})
        self._credentials = dict(credentials or {})

    async def renew(self) -> None:
        """Get a new access token."""
        response = await self._patiently(
            "POST", "/auth/sign-in", json=self._credentials
        )
        token = _checked(response).json()["access_token"]
        self._headers["Authorization"] = f"Bearer {token}"

    async def get(self, path: str, *, until_not: str = "", **parameters: str) -> Any:
        """Return the JSON answer.

        Args:
            path: below the API's prefix.
            until_not: the code of a refusal that passes; try again while it is given.
            **parameters: of the query.
        """
        response = await self._call("GET", path, params=parameters, until_not=until_not)
        return response.json()

    async def versioned(self, path: str) -> tuple[Any, str]:
        """Return the JSON answer, and of which version it is, for `patch`."""
        response = await self._call("GET", path)
        return response.json(), response.headers["ETag"]

    async def download(self, path: str) -> bytes:
        """Return the raw answer."""
        return (await self._call("GET", path)).content

    async def post(
        self, path: str, document: Any, *, until_not: str = "", or_already: str = ""
    ) -> Any:
        """Send JSON, and return the JSON answer; sent again, it has one effect.

        Args:
            path: below the API's prefix.
            document: what to send.
            until_not: the code of a refusal that passes; try again while it is given.
            or_already: the code of a refusal that says it is done already, as by an
                attempt whose answer was lost; then that refusal is the answer.
        """
        key = {"Idempotency-Key": str(uuid4())}
        response = await self._call(
            "POST",
            path,
            json=document,
            headers=key,
            until_not=until_not,
            or_already=or_already,
        )
        return response.json()

    async def patch(
        self, path: str, document: Any, *, version: str | None = None
    ) -> None:
        """Send JSON that changes something, if it is still of that version."""
        headers = {} if version is None else {"If-Match": version}
        await self._call("PATCH", path, json=document, headers=headers)

    async def send(
        self, path: str, content: bytes, *, content_type: str, **parameters: str
    ) -> Any:
        """Send raw content, and return the JSON answer; as ``post`` otherwise."""
        headers = {"Idempotency-Key": str(uuid4()), "Content-Type": content_type}
        response = await self._call(
            "POST", path, content=content, params=parameters, headers=headers
        )
        return response.json()

    async def _call(
        self, method: str, path: str, *, or_already: str = "", **options: Any
    ) -> httpx.Response:
        response = await self._patiently(method, path, **options)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._credentials:
            await self.renew()
            response = await self._patiently(method, path, **options)
        if _refused_with(response, or_already):
            return response
        return _checked(response)

    async def _patiently(
        self, method: str, path: str, **options: Any
    ) -> httpx.Response:
        """Try again while a server restarts, or a fact has not arrived yet."""
        extra: dict[str, str] = options.pop("headers", {})
        until_not: str = options.pop("until_not", "")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pause = _PAUSE_SECONDS
        while True:
            asked = 0.0
            headers = {**self._headers, **extra}
            try:
                response = await self._http.request(
                    method, path, headers=headers, **options
                )
            except httpx.TransportError as error:
                if time.monotonic() > deadline:
                    raise ClientError(
                        f"{method} {path}: no answer ({error})"
                    ) from error
            else:
                passing = _passing(response) or _refused_with(response, until_not)
                if not passing or time.monotonic() > deadline:
                    return response
                asked = _asked_to_wait(response)
            await asyncio.sleep(max(pause, asked))
            pause = min(_LONGEST_PAUSE, pause * 1.5)


def _passing(response: httpx.Response) -> bool:
    """Whether the API says, or it is in the nature of the answer, that it will pass."""
    gateway = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
    return "Retry-After" in response.headers or response.status_code in gateway


def _asked_to_wait(response: httpx.Response) -> float:
    """Return for how many seconds a server that has too much to do wants to be left.

    What is merely not known yet, a ``409``, is asked for again sooner than it says.
    """
    if response.status_code not in _OVERLOADED:
        return 0.0
    try:
        return min(float(response.headers.get("Retry-After", "0")), _LONGEST_WAIT)
    except ValueError:  # a date, which only a gateway sends
        return _LONGEST_PAUSE


def _refused_with(response: httpx.Response, code: str) -> bool:
    return bool(code) and not response.is_success and response.json()["code"] == code


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    request = response.request
    is_problem = response.headers.get("content-type") == "application/problem+json"
    raise RefusedError(
        f"{request.method} {request.url.path} answered {response.status_code}: "
        f"{response.text[:1000]}",
        status=response.status_code,
        problem=response.json() if is_problem else {},
    )


async def until(
    what: str, fetch: Callable[[], Awaitable[T]], done: Callable[[T], bool]
) -> T:
    """Ask until the answer is the one waited for, and return it.

    Raises:
        ClientError: it did not come in time.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not done(answer := await fetch()):
        if time.monotonic() > deadline:
            raise ClientError(f"waited too long for {what}; last seen: {answer}")
        await asyncio.sleep(_PAUSE_SECONDS)
    return answer
