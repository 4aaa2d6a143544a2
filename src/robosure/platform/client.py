"""Outgoing HTTP: timeouts, retries with backoff and jitter, a circuit breaker.

Every call to a system outside goes through :class:`HttpClient`. While a host's breaker
is open the call fails at once with ``Unavailable("circuit_open")``; the caller states
its degraded answer.
"""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

import httpx
import stamina
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from robosure.kernel.errors import Unavailable
from robosure.platform.correlation import current
from robosure.platform.logging import LoggerMixin
from robosure.platform.settings import Settings

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})


class _WorthRetryingError(Exception):
    """The answer, or its absence, is one that trying again may change."""


class HttpClient(LoggerMixin):
    """The one client for outgoing calls."""

    def __init__(
        self, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._client = httpx.AsyncClient(
            timeout=settings.outgoing_timeout_seconds, transport=transport
        )
        self._attempts = settings.outgoing_attempts
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=settings.breaker_failures,
            default_ttl=settings.breaker_reset_seconds,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Send a request; retry it where that cannot do a thing twice.

        Args:
            method: HTTP method.
            url: absolute.
            headers: added to the correlation id's.
            idempotency_key: makes a POST safe to repeat.
            **options: passed to httpx (``json``, ``content``, ``params``).

        Raises:
            Unavailable: no usable answer (``no_answer``), or the host's circuit is
                open (``circuit_open``).
        """
        sent = dict(headers or {})
        if correlation := current().correlation_id:
            sent.setdefault("X-Request-ID", correlation)
        if idempotency_key:
            sent["Idempotency-Key"] = idempotency_key
        repeatable = method in _IDEMPOTENT or idempotency_key is not None
        try:
            async for attempt in stamina.retry_context(
                on=_WorthRetryingError,
                attempts=self._attempts if repeatable else 1,
                timeout=timedelta(minutes=1),
                wait_initial=0.1,
                wait_max=5.0,
            ):
                with attempt:
                    return await self._once(method, url, sent, options)
        except _WorthRetryingError as error:
            raise Unavailable("no_answer", url=_origin(url)) from error
        raise AssertionError  # pragma: no cover - the loop returns or raises

    async def _once(
        self, method: str, url: str, headers: dict[str, str], options: dict[str, Any]
    ) -> httpx.Response:
        try:
            async with await self._breakers.get_breaker(_origin(url)):
                try:
                    response = await self._client.request(
                        method, url, headers=headers, **options
                    )
                except httpx.RequestError as error:
                    raise _WorthRetryingError from error
                if response.status_code in _TRY_AGAIN:
                    raise _WorthRetryingError
                return response
        except OpenedState as error:
            self.logger.warning("platform.client.circuit_open", host=_origin(url))
            raise Unavailable("circuit_open", url=_origin(url)) from error


def _origin(url: str) -> str:
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode()}"
