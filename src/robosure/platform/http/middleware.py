"""The outermost layer: request ids, body limit, timing, the last word on errors."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Final

from fastapi import Request
from opentelemetry.trace import SpanKind
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robosure.kernel.errors import LimitReached
from robosure.kernel.ids import uuid7_text
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database.behalf import NOBODY, on_behalf_of
from robosure.platform.http.bodies import Body, Refusal
from robosure.platform.http.edge import template_of
from robosure.platform.http.express import ExpressLane
from robosure.platform.http.headers import Header, headers_for, is_served
from robosure.platform.http.limits import (
    UNLIMITED,
    RateLimits,
    RouteClasses,
    headers_of,
)
from robosure.platform.http.problems import problem_of, problem_response
from robosure.platform.http.transport import refuse_plain, scheme_of
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import HTTP_REQUEST_SECONDS
from robosure.platform.settings import Settings
from robosure.platform.tracing import span

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
)
_LINGER_SECONDS: Final = 2.0
_FAILED: Final = int(HTTPStatus.BAD_REQUEST)
_QUIET: Final = frozenset({"/health", "/ready", "/metrics"})


class EdgeMiddleware(LoggerMixin):
    """Wraps the whole application, as plain ASGI so that it costs little."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        express: Mapping[tuple[str, str], ExpressLane],
        classes: RouteClasses,
    ) -> None:
        self._app = app
        self._max_body_bytes = settings.max_body_bytes
        self._max_body_seconds = settings.max_body_seconds
        self._settings = settings
        self._hosts = settings.allowed_hosts
        self._tls_only = settings.environment == "production"
        self._always = headers_for(settings)
        self._express = {
            asked: partial(lane, otherwise=app) for asked, lane in express.items()
        }
        self._classes = classes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        scope["scheme"] = scheme_of(scope, self._settings)
        request_id = presented_id(headers) or uuid7_text()
        scope.setdefault("state", {})["request_id"] = request_id
        caller = headers.get(b"traceparent", b"").decode("latin-1")
        with (
            correlated(Correlation(request_id)),
            on_behalf_of(NOBODY),
            span(
                scope["method"], kind=SpanKind.SERVER, carrier={"traceparent": caller}
            ) as traced,
        ):
            await self._serve(
                scope, receive, _Answer(send, scope, self._always), headers
            )
            if traced.is_recording():
                traced.update_name(f"{scope['method']} {template_of(scope)}")

    async def _serve(
        self,
        scope: Scope,
        receive: Receive,
        answer: _Answer,
        headers: dict[bytes, bytes],
    ) -> None:
        started = time.perf_counter()
        lane = self._express.get((scope["method"], scope["path"]))
        serve = self._app if lane is None else lane
        body = Body(
            receive,
            headers,
            max_bytes=self._max_body_bytes,
            seconds=self._max_body_seconds,
        )
        try:
            kind = self._classes.of(scope["method"], scope["path"])
            if kind is not None:
                await RateLimits.of(scope["app"].state.edge).count_address(scope, kind)
            if self._tls_only and not _may_be_answered(scope):
                await refuse_plain(scope, receive, answer)
            elif self._hosts and not self._is_served(scope, headers):
                await _refuse_host(scope, receive, answer)
            elif body.refusal is None:
                await serve(scope, body, _Unless(body, answer))
            if body.refusal is not None:
                await _refuse(body, body.refusal, scope, receive, answer)
        except LimitReached as refusal:
            response = await problem_of(Request(scope), refusal)
            await response(scope, receive, answer)
        except Exception:
            if body.refusal is not None and not answer.started:
                await _refuse(body, body.refusal, scope, receive, answer)
                return
            self.logger.exception(
                "platform.http.request_failed", endpoint=template_of(scope)
            )
            if answer.started:
                raise
            response = problem_response(
                scope, 500, code="internal_error",
                detail="something broke on our side; quote the request id to support",
            )  # fmt: skip
            await response(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - started
            self._measure(scope, answer.status, seconds, express=lane is not None)

    def _is_served(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """Whether it is asked for by a name of ours; probes know only the address."""
        if scope["path"] in UNLIMITED:
            return True
        return is_served(headers.get(b"host", b""), self._hosts)

    def _measure(
        self, scope: Scope, status: int, seconds: float, *, express: bool
    ) -> None:
        """Count the request, and log it; on the express lane, only if it failed."""
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        endpoint = template_of(scope)
        _seconds_of(method, endpoint, status).observe(seconds)
        quiet = express and status < _FAILED
        if not quiet and scope["path"] not in _QUIET:
            self.logger.info(
                "platform.http.request_completed",
                method=method,
                endpoint=endpoint,
                status=status,
                duration_ms=round(seconds * 1000, 1),
            )


def _may_be_answered(scope: Scope) -> bool:
    """Whether it came over TLS; probes come from within, to the address."""
    return scope["scheme"] == "https" or scope["path"] in UNLIMITED


def presented_id(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the id that a request came with, if it is one."""
    presented = headers.get(b"x-request-id", b"")
    return presented.decode() if _REQUEST_ID.fullmatch(presented) else None


@lru_cache(maxsize=10_000)
def _seconds_of(method: str, endpoint: str, status: int) -> Histogram:
    return HTTP_REQUEST_SECONDS.labels(method, endpoint, str(status))


async def _refuse(
    body: Body, refusal: Refusal, scope: Scope, receive: Receive, answer: _Answer
) -> None:
    """Say why a body is refused, unless something was answered already, and hang up.

    But not at once. Who is still sending would meet a closed connection, and never read
    why; so what comes is passed over for a while first.
    """
    if answer.started:
        return
    response = problem_response(
        scope, refusal.status, code=refusal.code, detail=refusal.detail,
        context=refusal.context, headers={"Connection": "close"},
    )  # fmt: skip
    head = {"status": response.status_code, "headers": response.raw_headers}
    await answer({"type": "http.response.start", **head})
    told = {"type": "http.response.body", "body": response.body, "more_body": True}
    await answer(told)
    with suppress(TimeoutError):
        async with asyncio.timeout(0 if body.is_whole else _LINGER_SECONDS):
            while (await receive()).get("more_body", False):
                pass
    await answer({"type": "http.response.body"})


async def _refuse_host(scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(
        scope, HTTPStatus.MISDIRECTED_REQUEST, code="host_not_served",
        detail="nothing is served under the name in the Host header",
    )  # fmt: skip
    await response(scope, receive, send)


@lru_cache(maxsize=1_000)
def _unsaid(always: tuple[Header, ...], said: tuple[bytes, ...]) -> tuple[Header, ...]:
    """Return what an answer says always, without what this one says itself."""
    return tuple(each for each in always if each[0] not in said)


class _Unless:
    """Withholds what the application makes of a body that was cut off."""

    def __init__(self, body: Body, answer: _Answer) -> None:
        self._body = body
        self._answer = answer

    async def __call__(self, message: Message) -> None:
        if self._body.refusal is None or self._answer.started:
            await self._answer(message)


class _Answer:
    """Sends on, adding what every answer says, and remembering the status."""

    def __init__(self, send: Send, scope: Scope, always: tuple[Header, ...]) -> None:
        self._send = send
        self._scope = scope
        self._always = always
        self.status = 500
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            request_id: str = self._scope["state"]["request_id"]
            own = message.get("headers", ())
            headers = [
                *own,
                (b"x-request-id", request_id.encode()),
                *headers_of(self._scope["state"].get("share")),
                *_unsaid(self._always, tuple([name for name, _ in own])),
            ]
            message = {**message, "headers": headers}
        await self._send(message)
