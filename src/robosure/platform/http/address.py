"""Where a request comes from, as far as that can be believed.

Whoever connects can write any ``X-Forwarded-For``. It counts only as far as proxies
that the settings name have written it: read from its end, each of them vouches for the
address before its own.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

from starlette.types import Scope

from robosure.platform.settings import Network, Settings

UNKNOWN: Final = "unknown"
"""The address of who connects by other means than IP, such as a Unix socket."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_FORWARDED_FOR: Final = b"x-forwarded-for"


def client_address(scope: Scope, settings: Settings) -> str:
    """Return the client's IP address in its usual form, or :data:`UNKNOWN`.

    It is the connection's other end, unless that is a proxy of
    ``settings.trusted_proxies``. Then it is the last address in ``X-Forwarded-For``
    that is none; what cannot be read ends the search, at the proxy that passed it on.
    """
    address = _peer(scope)
    if not is_from_proxy(scope, settings):
        return address
    for hop in reversed(_forwarded_for(scope)):
        before = _plain(_without_port(hop.strip()))
        if before == UNKNOWN:
            break
        address = before
        if not _trusted(address, settings.trusted_proxies):
            break
    return address


def is_from_proxy(scope: Scope, settings: Settings) -> bool:
    """Whether who connects is a proxy of ``settings.trusted_proxies``."""
    proxies = settings.trusted_proxies
    return bool(proxies) and _trusted(_peer(scope), proxies)


@lru_cache(maxsize=10_000)
def source_of(address: str) -> str:
    """Return what an address is counted under: of IPv6 its /64, one customer's network.

    A machine may take any address of its /64, so a limit for each would be none.
    """
    ip = _parsed(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((ip, 64), strict=False))
    return address


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return _plain(client[0]) if client else UNKNOWN


def _forwarded_for(scope: Scope) -> list[str]:
    values = [value for name, value in scope["headers"] if name == _FORWARDED_FOR]
    return b",".join(values).decode("latin-1").split(",") if values else []


def _without_port(hop: str) -> str:
    """Some proxies write ``192.0.2.1:4711`` or ``[2001:db8::1]:4711``."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


@lru_cache(maxsize=10_000)
def _plain(address: str) -> str:
    """Write an address as it is usually written; IPv4 within IPv6 as IPv4."""
    ip = _parsed(address)
    return UNKNOWN if ip is None else str(ip)


@lru_cache(maxsize=10_000)
def _trusted(address: str, proxies: tuple[Network, ...]) -> bool:
    ip = _parsed(address)
    return ip is not None and any(ip in network for network in proxies)


def _parsed(address: str) -> _Address | None:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip
