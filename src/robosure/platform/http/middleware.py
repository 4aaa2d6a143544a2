"""The outermost layer: request ids, body limit, timing, the last word on errors."""

from __future__ import annotations

import re
import time
from typing import Final

from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robosure.kernel.errors import TooLarge
from robosure.kernel.ids import uuid7
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.http.edge import template_of
from robosure.platform.http.problems import problem_response
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import HTTP_REQUEST_SECONDS
from robosure.platform.tracing import span

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_QUIET: Final = frozenset({"/health", "/ready", "/metrics"})


class EdgeMiddleware(LoggerMixin):
    """Wraps the whole application, as plain ASGI so that it costs little."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        presented = headers.get(b"x-request-id", b"")
        known = _REQUEST_ID.fullmatch(presented)
        request_id = presented.decode() if known else str(uuid7())
        scope.setdefault("state", {})["request_id"] = request_id
        carrier = {"traceparent": headers.get(b"traceparent", b"").decode("latin-1")}
        with (
            correlated(Correlation(request_id)),
            span(scope["method"], kind=SpanKind.SERVER, carrier=carrier) as traced,
        ):
            await self._serve(scope, receive, _Answer(send, request_id), headers)
            traced.update_name(f"{scope['method']} {template_of(scope)}")

    async def _serve(
        self,
        scope: Scope,
        receive: Receive,
        answer: _Answer,
        headers: dict[bytes, bytes],
    ) -> None:
        started = time.perf_counter()
        try:
            declared = int(headers.get(b"content-length") or 0)
            if declared > self._max_body_bytes:
                await self._refuse_body(scope, receive, answer)
            else:
                limited = self._limit(receive)
                await self._app(scope, limited, answer)
        except TooLarge:
            await self._refuse_body(scope, receive, answer)
        except Exception:
            self.logger.exception("platform.http.request_failed", path=scope["path"])
            if answer.started:
                raise
            response = problem_response(
                scope, 500, code="internal_error",
                detail="something broke on our side; quote the request id to support",
            )  # fmt: skip
            await response(scope, receive, answer)
        finally:
            self._measure(scope, answer.status, time.perf_counter() - started)

    def _limit(self, receive: Receive) -> Receive:
        """Count a body that did not declare its length, and stop reading past it."""
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body_bytes:
                raise TooLarge("body_too_large", limit_bytes=self._max_body_bytes)
            return message

        return limited

    async def _refuse_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem_response(
            scope, 413, code="body_too_large",
            detail=f"a body may have at most {self._max_body_bytes} bytes",
            context={"limit_bytes": self._max_body_bytes},
        )  # fmt: skip
        await response(scope, receive, send)

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        method, endpoint = scope["method"], template_of(scope)
        HTTP_REQUEST_SECONDS.labels(method, endpoint, str(status)).observe(seconds)
        if scope["path"] not in _QUIET:
            self.logger.info(
                "platform.http.request_completed",
                method=method,
                endpoint=endpoint,
                status=status,
                duration_ms=round(seconds * 1000, 1),
            )


class _Answer:
    """Sends on, adding the request id and remembering the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self.status = 500
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            extra = [(b"x-request-id", self._request_id)]
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await self._send(message)
