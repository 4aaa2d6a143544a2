"""Clients as they are in the field: they try again, and note every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import httpx

from tests.e2e.chaos.ledger import Ledger

RETRY_SECONDS: Final = 0.1
_ANSWER_SECONDS: Final = 15.0
_PASSING_CODES: Final = frozenset({"idempotency_key_in_flight"})


class Refused(Exception):
    """The API says no to something that is right."""


class Client:
    """Someone who is signed in, or a device with a key."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        key: str | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        self._http = http
        self.headers = {} if key is None else {"X-API-Key": key}
        self._credentials = credentials

    async def sign_in(self) -> None:
        """Get an access token."""
        response = await self._http.post(
            "/auth/sign-in", json=dict(self._credentials or {})
        )
        response.raise_for_status()
        self.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    async def try_once(
        self, method: str, path: str, ledger: Ledger, **options: Any
    ) -> httpx.Response | None:
        """Ask once; None if no answer came, or one that says to try again.

        What may not be answered at all is complained of in the ledger.
        """
        headers = {**self.headers, **options.pop("headers", {})}
        asked = f"{method} {path}"
        try:
            response = await self._http.request(
                method, path, headers=headers, **options
            )
        except httpx.TimeoutException:
            ledger.answers[0] += 1
            ledger.complaints[f"{asked}: no answer in {_ANSWER_SECONDS:g} s"] += 1
            return None
        except httpx.TransportError:
            ledger.answers[0] += 1
            return None
        ledger.answers[response.status_code] += 1
        return await self._judged(asked, response, ledger)

    async def _judged(
        self, asked: str, response: httpx.Response, ledger: Ledger
    ) -> httpx.Response | None:
        status = response.status_code
        if response.is_success:
            return response
        if "Retry-After" in response.headers:
            return None
        if status == HTTPStatus.UNAUTHORIZED and self._credentials is not None:
            with suppress(httpx.HTTPError):
                await self.sign_in()
            return None
        code = _code_of(response)
        if code in _PASSING_CODES:
            return None
        ledger.complaints[f"{asked}: {status} {code}"] += 1
        # Whether it took effect, nobody knows.
        is_lost = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return None if is_lost else response

    async def insist(
        self, method: str, path: str, ledger: Ledger, **options: Any
    ) -> httpx.Response:
        """Ask until there is an answer.

        Raises:
            Refused: it is a no.
        """
        while True:
            response = await self.try_once(method, path, ledger, **options)
            if response is not None:
                break
            await asyncio.sleep(RETRY_SECONDS)
        if not response.is_success:
            raise Refused(f"{method} {path}: {response.status_code} {response.text}")
        return response


def _code_of(response: httpx.Response) -> str:
    """Return a problem document's code; what is none has none."""
    try:
        return str(response.json()["code"])
    except (ValueError, KeyError, TypeError):
        return "without a problem document"


def client_of(api_url: str) -> httpx.AsyncClient:
    """Return a client of the API that hangs on nobody for long."""
    return httpx.AsyncClient(
        base_url=f"{api_url}/api/v1",
        timeout=_ANSWER_SECONDS,
        limits=httpx.Limits(max_connections=40),
    )
