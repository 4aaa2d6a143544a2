"""Outgoing HTTP: timeouts, retries with backoff and jitter, a circuit breaker.

Every call to a system outside goes through :class:`HttpClient`. While a host's breaker
is open the call fails at once with ``Unavailable("circuit_open")``; the caller states
its degraded answer.

What customers name as a receiver is called with :meth:`HttpClient.send_once`, which
keeps to public addresses: a name is resolved once, every address it has is checked, and
the connection goes to one of those, so that a name that resolves to something else a
moment later (DNS rebinding) gains nothing. Nor is a name asked for that is none of the
hosts which the settings allow.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, cast
from urllib.parse import urlsplit

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
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All there is of IPv6 for everybody; RFC 4291, and IANA's registry."""
_OF_NOBODY: Final = (
    ipaddress.IPv6Network("3fff::/20"),  # for documentation, RFC 9637
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4, RFC 7526
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's own, from within its machines
)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class _WorthRetryingError(Exception):
    """The answer, or its absence, is one that trying again may change."""


class AddressRefused(Unavailable):
    """The name leads to an address that calls may not go to."""


class HostRefused(AddressRefused):
    """The name is none of those that calls may go to."""


class TimedOut(Unavailable):
    """There was no whole answer in time."""


@dataclass(frozen=True)
class Answer:
    """What a receiver answered.

    Attributes:
        body: its beginning, as far as it was to be kept.
    """

    status: int
    headers: httpx.Headers
    body: bytes


class HttpClient(LoggerMixin):
    """The one client for outgoing calls."""

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(
            timeout=settings.outgoing_timeout_seconds, transport=transport
        )
        # Connections are not kept: two names at one address would share them, and with
        # them the certificate that was checked for one.
        self._receivers = transport or httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_keepalive_connections=0)
        )
        self._hosts = settings.called_hosts
        self._resolve = resolve or _SystemResolver()
        self._timeout = settings.outgoing_timeout_seconds
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
        await self._receivers.aclose()

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

    async def post_once(
        self,
        url: str,
        *,
        content: bytes,
        headers: dict[str, str],
        keep: int,
        private: bool = False,
    ) -> Answer:
        """Send a POST to an address that somebody else chose; see :meth:`send_once`."""
        return await self.send_once(
            "POST", url, content=content, headers=headers, keep=keep, private=private
        )

    async def send_once(
        self,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        headers: dict[str, str],
        keep: int,
        private: bool = False,
    ) -> Answer:
        """Send a request to an address that somebody else chose, once.

        One attempt, within the outgoing timeout altogether. Any answer is handed over,
        redirects too; nothing is remembered of it, neither cookies nor failures.

        Args:
            method: HTTP method.
            url: absolute.
            content: the body.
            headers: all that are sent, besides those that HTTP itself needs.
            keep: how many bytes of the answer's body are read.
            private: whether addresses may be called that are not public.

        Raises:
            HostRefused: the settings do not allow the name.
            AddressRefused: the name has an address that is not public.
            TimedOut: there was no whole answer in time.
            Unavailable: nobody was reached, or what came is no answer (``no_answer``).
        """
        try:
            target = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise Unavailable("no_answer", reason=str(error)) from error
        try:
            async with asyncio.timeout(self._timeout):
                addresses = await self._admitted(target, private=private)
                request = self._request(method, target, content, headers)
                for address in addresses[:-1]:
                    try:
                        return await self._sent(request, target, address, keep)
                    except httpx.ConnectError:
                        continue  # the name has another address
                return await self._sent(request, target, addresses[-1], keep)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise TimedOut("timed_out", url=_origin(url)) from error
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            reason = str(error) or type(error).__name__
            raise Unavailable("no_answer", url=_origin(url), reason=reason) from error

    async def _admitted(self, target: httpx.URL, *, private: bool) -> Sequence[str]:
        if not may_be_called(str(target), self._hosts):
            raise HostRefused("host_not_allowed", host=target.host)
        port = target.port or (443 if target.scheme == "https" else 80)
        addresses = await self._resolve(target.host, port)
        refused = [each for each in addresses if not (private or is_public(each))]
        if refused or not addresses:
            raise AddressRefused("address_refused", host=target.host)
        return addresses

    def _request(
        self, method: str, target: httpx.URL, content: bytes, headers: dict[str, str]
    ) -> httpx.Request:
        return httpx.Request(
            method,
            target,
            content=content,
            # Undone compression may be a thousand times as long as what was sent.
            headers={"Accept-Encoding": "identity", **headers},
            extensions={
                "timeout": httpx.Timeout(self._timeout).as_dict(),
                "sni_hostname": target.host,
            },
        )

    async def _sent(
        self, request: httpx.Request, target: httpx.URL, address: str, keep: int
    ) -> Answer:
        """Send to this address of the target, as the name it goes by."""
        request.url = target.copy_with(host=address)
        response = await self._receivers.handle_async_request(request)
        try:
            kept = bytearray()
            async for chunk in cast("httpx.AsyncByteStream", response.stream):
                kept += chunk
                if len(kept) >= keep:
                    break
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, bytes(kept[:keep]))

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


class _SystemResolver:
    """Resolves names as the machine does, in threads of its own.

    Nothing can call off a lookup. The event loop's few threads would soon all wait for
    name servers that never answer, and everybody else for them.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(64, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return each address once, the preferred one first."""
        lookup = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, lookup)
        return list(dict.fromkeys(str(address[4][0]) for address in found))


def is_public(address: str) -> bool:
    """Whether an IP address is one that everybody on the Internet may call.

    Loopback, link-local, private, shared, multicast and reserved ones are not, and
    neither is an IPv6 address that stands for such an IPv4 address. Nor are those at
    which clouds tell their machines secrets.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _UNICAST:
            return False
    of_nobody = any(ip in network for network in _OF_NOBODY)
    return ip.is_global and not ip.is_multicast and not of_nobody


def may_be_called(url: str, hosts: Sequence[str]) -> bool:
    """Whether a URL's host is one of those: a whole name, ``*.`` and its end, or ``*``.

    Args:
        url: absolute; what is none may not.
        hosts: in lower case, as ``Settings.called_hosts`` has them.
    """
    if "*" in hosts:
        return True
    try:
        name = httpx.URL(url).raw_host.decode("ascii").lower().removesuffix(".")
    except (httpx.InvalidURL, UnicodeError):
        return False
    return any(
        name.endswith(each[1:]) if each.startswith("*.") else name == each.strip("[]")
        for each in hosts
    )


def names_private_address(url: str) -> bool:
    """Whether a URL's host is an address, written out, that not everybody may call."""
    try:
        return not is_public(_written_out(urlsplit(url).hostname or ""))
    except ValueError:
        return False  # a name, which waits for DNS; or no URL


def _written_out(host: str) -> str:
    """Return the address that a host is; also of ``0x7f.1`` or ``2130706433``.

    Raises:
        ValueError: it is a name.
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError as error:
        raise ValueError(host) from error
