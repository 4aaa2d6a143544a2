"""How PostgreSQL is reached: what a URL says of TLS, as libpq understands it.

``sslmode`` and ``sslrootcert`` mean the same to every connection of ours. Drivers
disagree: asyncpg itself wants a file of authorities in the home directory, and
SQLAlchemy hands on what asyncpg then does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from robosure.platform.tls.trust import trusting

_CHECKED: Final = frozenset({"verify-ca", "verify-full"})
_SYSTEM: Final = "system"
"""As ``sslrootcert``: the authorities that the system trusts, and no others."""


def engine_for(
    url: str, *, connect_args: dict[str, Any] | None = None, **options: Any
) -> AsyncEngine:
    """Return an engine for a database; its connections are made when they are needed.

    Args:
        url: for SQLAlchemy, with what is asked of TLS.
        connect_args: more for asyncpg.
        **options: more for SQLAlchemy.
    """
    plain, tls = _apart(url)
    arguments = {**(connect_args or {}), **tls}
    return create_async_engine(plain, connect_args=arguments, **options)


async def connect(
    url: str, *, password: Callable[[], str] | None = None
) -> asyncpg.Connection[asyncpg.Record]:
    """Open a connection of asyncpg's own, such as one that listens.

    Args:
        url: without a driver, with what is asked of TLS.
        password: says it anew, if it is not in the URL.
    """
    plain, tls = _apart(url)
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        plain, password=password, **tls
    )
    return connection


def _apart(url: str) -> tuple[str, dict[str, Any]]:
    """Return a URL without what it says of TLS, and that as asyncpg takes it."""
    base, _, said = url.partition("?")
    query = dict(parse_qsl(said))
    mode = query.pop("sslmode", None)
    mode = query.pop("ssl", mode)
    if mode is None:
        return url, {}
    authorities = query.pop("sslrootcert", _SYSTEM)
    plain = f"{base}?{urlencode(query)}" if query else base
    if mode not in _CHECKED:
        return plain, {"ssl": mode}
    ca_file = None if authorities == _SYSTEM else authorities
    return plain, {"ssl": trusting(ca_file, names=mode == "verify-full")}
