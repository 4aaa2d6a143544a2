"""A small HTTP/1.1 client: keep-alive, one request at a time, bodies made ahead.

It knows no more of HTTP than a load generator needs, so that it costs a few
microseconds per request and the machine is left to what is measured.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

_END_OF_HEAD: Final = b"\r\n\r\n"
_NO_CONTENT: Final = frozenset({204, 304})
_TLS: Final = "https"
_WELL: Final = range(200, 300)


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether it did what it was asked."""
        return self.status in _WELL


class Failure(NamedTuple):
    """Why there is no answer."""

    reason: str


Outcome = Answer | Failure


@dataclass(frozen=True)
class Target:
    """What requests are sent to.

    Attributes:
        url: whole, with scheme and path.
        headers: sent with every request.
        method: of every request.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    method: str = "POST"

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            ValueError: it is none that can be connected to.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", _TLS} or not parts.hostname:
            raise ValueError(f"{self.url} is no http:// or https:// address")

    def request(self, body: bytes) -> bytes:
        """Write a request with this body."""
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)

    @cached_property
    def _head(self) -> bytes:
        parts = urlsplit(self.url)
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        lines = [f"{self.method} {path} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "Content-Length: "]).encode("latin-1")

    async def connect(self, connection: Connection) -> None:
        """Connect.

        Raises:
            OSError: nobody answers there.
        """
        parts = urlsplit(self.url)
        secure = parts.scheme == _TLS
        await asyncio.get_running_loop().create_connection(
            lambda: connection,
            parts.hostname or "",
            parts.port or (443 if secure else 80),
            ssl=ssl.create_default_context() if secure else None,
        )


class Connection(asyncio.Protocol):
    """One connection. It is told of an answer, and may then send the next request.

    Attributes:
        is_open: whether it is connected.
        is_busy: whether an answer is awaited.
        sent_at: for the caller's notes on the request under way, as ``number`` is.
    """

    def __init__(self, done: Callable[[Connection, Outcome], None]) -> None:
        self._done = done
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._expected = 0
        self._status = 0
        self._closes = False
        self.is_busy = False
        self.sent_at = 0.0
        self.number = 0

    @property
    def is_open(self) -> bool:
        """Whether it may be used."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes) -> None:
        """Send a request; only while open and not busy."""
        assert self._transport is not None  # nosec B101 # noqa: S101 - the caller has asked is_open
        self.is_busy = True
        self._transport.write(request)

    def abort(self, reason: str) -> None:
        """Give the request under way up, and close."""
        if self._transport is not None:
            self._transport.abort()
        self._finish(Failure(reason))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be open."""
        # Not checked, as uvloop's do not inherit from it.
        self._transport = cast("asyncio.Transport", transport)
        self._received, self._expected, self._closes = b"", 0, False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - protocol
        """Be closed; a request under way has failed."""
        self._transport = None
        self._finish(Failure("connection lost"))

    def data_received(self, data: bytes) -> None:
        """Gather an answer, and hand it over when it is whole."""
        received = self._received = self._received + data if self._received else data
        if not self._expected and not self._read_head(received):
            return
        if len(received) < self._expected:
            return
        body = received[received.index(_END_OF_HEAD) + 4 : self._expected]
        answer = Answer(self._status, body)
        self._received, self._expected = b"", 0
        if self._closes and self._transport is not None:
            self._transport.close()
        self._finish(answer)

    def _read_head(self, received: bytes) -> bool:
        """Whether the head is there, and says how long the answer is."""
        end = received.find(_END_OF_HEAD)
        if end < 0:
            return False
        head = received[: end + 2].lower()
        length = _header(head, b"content-length")
        if not head.startswith(b"http/1.") or not head[9:12].isdigit():
            self.abort("no HTTP answer")
            return False
        self._status = int(head[9:12])
        if length is None and self._status not in _NO_CONTENT:
            self.abort("answer without Content-Length")
            return False
        self._expected = end + 4 + int(length or 0)
        self._closes = _header(head, b"connection") == b"close"
        return True

    def _finish(self, outcome: Outcome) -> None:
        if self.is_busy:
            self.is_busy = False
            self._done(self, outcome)


def _header(head: bytes, name: bytes) -> bytes | None:
    """Return a header's value from a head in lower case."""
    start = head.find(b"\r\n%b:" % name)
    if start < 0:
        return None
    start += len(name) + 3
    return head[start : head.index(b"\r\n", start)].strip()
