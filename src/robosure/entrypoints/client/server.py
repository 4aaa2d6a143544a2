"""Which Robosure to be a client of: one that is named, or the stack that runs here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from robosure.entrypoints.client.api import Api
from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.stack.state import Running, State

_TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Server:
    """A running Robosure, and who may administrate it."""

    url: str
    email: str
    password: str

    @classmethod
    def of(cls, running: Running) -> Server:
        """Name the stack that runs here."""
        return cls(running.api_url, running.admin_email, running.admin_password)

    @property
    def base_url(self) -> str:
        """Where the API's paths begin."""
        return f"{self.url.rstrip('/')}/api/v1"

    @asynccontextmanager
    async def api(
        self, on_response: Callable[[httpx.Response], Awaitable[None]] | None = None
    ) -> AsyncIterator[Api]:
        """Open its API.

        Args:
            on_response: is told of every answer, those that are tried again included.
        """
        hooks = {"response": [on_response]} if on_response else {}
        async with httpx.AsyncClient(
            base_url=self.base_url, timeout=_TIMEOUT_SECONDS, event_hooks=hooks
        ) as http:
            yield Api(http)

    async def require_answer(self) -> None:
        """Find out at once, rather than after much patience, that nobody is there.

        Raises:
            ClientError: nobody answers.
        """
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as http:
                answer = await http.get(f"{self.url.rstrip('/')}/health")
        except (httpx.TransportError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise ClientError(f"{self.url} does not answer: {reason}") from error
        if not answer.is_success:
            raise ClientError(
                f"{self.url} is no Robosure that can be used: /health answered "
                f"{answer.status_code}"
            )


def running_here() -> Server:
    """Return the stack that runs here.

    Raises:
        ClientError: none does.
    """
    state = State()
    running = state.running()
    if running is None:
        raise ClientError(
            f"no stack runs on {state.directory}: start one with `robosure up`, "
            "or name a server with --url"
        )
    return Server.of(running)
