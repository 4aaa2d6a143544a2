"""Requests that are answered without a task of their own: most that bring events.

The way through the edge and FastAPI is made for requests that wait, ask others and
fail; one that does nothing of that spends most of its time on it. So an express route
may say how it is answered at once: if all that a request needs is at hand, from who
asks to what it says, and nothing about it is out of the ordinary. Such requests are
answered by the connection's own protocol, as soon as what they ask for is done.

Only a success is ever answered here. Whatever is not plain takes the ordinary way,
where it is said what is wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from fastapi import FastAPI
from starlette.types import Scope

from robosure.kernel.errors import DomainError
from robosure.kernel.ids import uuid7
from robosure.platform import tracing
from robosure.platform.http.address import client_address, source_of
from robosure.platform.http.edge import Edge
from robosure.platform.http.express import ExpressLane
from robosure.platform.http.headers import (
    Header,
    headers_for,
    is_served,
    media_type_of,
)
from robosure.platform.http.limits import (
    RateLimits,
    RouteClass,
    RouteClasses,
    headers_of,
)
from robosure.platform.http.middleware import presented_id
from robosure.platform.http.transport import TLS, scheme_of
from robosure.platform.limits import Share
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import HTTP_REQUEST_SECONDS, Measurements
from robosure.platform.security import Principal
from robosure.platform.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_MARK: Final = "__at_once__"
_UNCOMMON: Final = frozenset(
    {b"authorization", b"expect", b"idempotency-key", b"origin", b"upgrade"}
)
"""Headers that ask for more than is done here."""
_OWN: Final = b"content-length: %d\r\nx-request-id: %b\r\n"
"""An answer's own headers."""


class Asked(NamedTuple):
    """A request of which everything is at hand.

    Attributes:
        at: when it came.
        id: a new one, for what it makes; the request's own too, if it came with none.
    """

    edge: Edge
    principal: Principal
    at: datetime
    id: UUID
    request_id: str
    media_type: str
    body: bytes


class Promise(NamedTuple):
    """What is answered once something is done.

    Attributes:
        answer: in JSON.
        failure: what is wrong, if it fails.
    """

    answer: bytes
    once: asyncio.Future[None]
    failure: Callable[[], DomainError]


Promising = Callable[[Asked], Promise | None]
"""Begins what a request asks for; None, and nothing begun, if it is not plain."""


def at_once(promising: Promising) -> Callable[[F], F]:
    """Answer an express route's plain requests so."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _MARK, promising)
        return endpoint

    return mark


class _Lane(NamedTuple):
    method: str
    path: str
    status: int
    permission: str
    kind: RouteClass | None
    promising: Promising
    durations: Measurements


class Caller(NamedTuple):
    """Who asks for what, as a connection and a request's head say it.

    Attributes:
        source: what its address is counted under.
        request_id: that it came with, if it did.
    """

    lane: _Lane
    api_key: str
    source: str
    media_type: str
    request_id: str | None


class Begun(NamedTuple):
    """A request whose answer is promised."""

    lane: _Lane
    promise: Promise
    share: Share | None
    request_id: str
    started: float


class AtOnce(LoggerMixin):
    """An application's routes that may be answered at once."""

    def __init__(
        self,
        app: FastAPI,
        lanes: Mapping[tuple[str, str], ExpressLane],
        *,
        settings: Settings,
        classes: RouteClasses,
    ) -> None:
        self._app = app
        self._settings = settings
        self._tls_only = settings.environment == "production"
        self._always = headers_for(settings)
        self._lanes = {
            (method, path): _Lane(
                method,
                path,
                lane.status,
                lane.permission,
                classes.of(method, path),
                getattr(lane.endpoint, _MARK),
                Measurements(
                    HTTP_REQUEST_SECONDS.labels(method, path, str(lane.status))
                ),
            )
            for (method, path), lane in lanes.items()
            if hasattr(lane.endpoint, _MARK)
        }
        self._heads: dict[int, tuple[Sequence[Header], bytes]] = {}

    @cached_property
    def _edge(self) -> Edge:
        edge: Edge = self._app.state.edge  # there is one once the server has started
        return edge

    @cached_property
    def _limits(self) -> RateLimits:
        return RateLimits.of(self._edge)

    def may_concern(self, scope: Scope) -> bool:
        """Whether a request could be answered at once, by its route."""
        asked = scope["method"], scope["path"]
        return asked in self._lanes and not scope["query_string"]

    def caller_of(self, scope: Scope) -> Caller | None:
        """Read a request's head; None if it has to take the ordinary way."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not self._is_plain(scope, headers):
            return None
        address = client_address(scope, self._settings)
        return Caller(
            self._lanes[scope["method"], scope["path"]],
            headers.get(b"x-api-key", b"").decode("latin-1"),
            source_of(address),
            media_type_of(headers.get(b"content-type", b"").decode("latin-1")),
            presented_id(headers),
        )

    def begin(self, caller: Caller, body: bytes) -> Begun | None:
        """Begin what a request asks for; None if it has to take the ordinary way."""
        try:
            return self._begun(caller, body)
        except DomainError:
            return None  # and it will be again
        except Exception:
            self.logger.exception("platform.http.at_once_failed", path=caller.lane.path)
            return None

    def _begun(self, caller: Caller, body: bytes) -> Begun | None:
        started = time.perf_counter()
        if len(body) > self._settings.max_body_bytes or self._is_looked_into():
            return None
        lane = caller.lane
        edge = self._edge
        now = edge.runtime.clock.now()
        principal = edge.remembered_keys.at_hand(caller.api_key, now=now)
        if principal is None or not principal.may(lane.permission):
            return None
        shares = self._limits.at_hand(lane.kind, caller.source, principal.subject)
        if shares is None:
            return None
        id_ = uuid7()
        request_id = caller.request_id or str(id_)
        asked = Asked(edge, principal, now, id_, request_id, caller.media_type, body)
        promise = lane.promising(asked)
        if promise is None:
            return None
        for share in shares:
            share.spend()
        last = shares[-1] if shares else None
        return Begun(lane, promise, last, request_id, started)

    def answer(self, begun: Begun, always: Sequence[Header], *, last: bool) -> bytes:
        """Write the answer to what was begun and is done, and measure it.

        Args:
            begun: the request.
            always: what the server adds to each answer.
            last: whether the connection is closed after it.
        """
        lane, promise, share, request_id, started = begun
        body = promise.answer
        own = _OWN % (len(body), request_id.encode())
        if share is not None:
            own += _lines(headers_of(share))
        if last:
            own += b"connection: close\r\n"
        lane.durations.add(time.perf_counter() - started)
        return b"%b%b\r\n%b" % (self._head(lane.status, always), own, body)

    def _is_plain(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        """Whether nothing that is asked of heads needs a second look."""
        settings = self._settings
        return (
            _UNCOMMON.isdisjoint(headers)
            and not (self._tls_only and scheme_of(scope, settings) != TLS)
            and (
                not settings.allowed_hosts
                or is_served(headers.get(b"host", b""), settings.allowed_hosts)
            )
        )

    def _is_looked_into(self) -> bool:
        """Whether requests leave traces, or are guarded as a test says."""
        return tracing.is_on() or bool(self._app.dependency_overrides)

    def _head(self, status: int, always: Sequence[Header]) -> bytes:
        """Return how answers of a status begin; in the server's part is the time."""
        kept = self._heads.get(status)
        if kept is None or kept[0] is not always:
            line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
            common = [*always, (b"content-type", b"application/json"), *self._always]
            kept = self._heads[status] = always, line + _lines(common)
        return kept[1]


def _lines(headers: Sequence[Header]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
