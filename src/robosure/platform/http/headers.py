"""What every answer tells browsers, and which names and origins are served.

After OWASP's REST security cheat sheet: answers are data and never a page, so nothing
in them may run, be framed, or be kept. The pages that there are, ``/docs`` and
``/redoc``, say themselves what they need.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from robosure.platform.settings import Settings

Header = tuple[bytes, bytes]

_NOTHING: Final = (
    b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _NOTHING),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_OVER_TLS: Final[Header] = (
    b"strict-transport-security",
    b"max-age=31536000; includeSubDomains",
)
_ASKED_WITH: Final = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-API-Key",
    "X-Request-ID",
)  # fmt: skip
_SHOWN: Final = (
    "Content-Disposition", "ETag", "Idempotency-Replayed", "Location", "RateLimit",
    "RateLimit-Policy", "Retry-After", "X-Request-ID",
)  # fmt: skip


def headers_for(settings: Settings) -> tuple[Header, ...]:
    """Return what an answer says unless it says something else itself."""
    if settings.environment == "production":
        return (*_ALWAYS, _OVER_TLS)
    return _ALWAYS


def cors_for(settings: Settings) -> dict[str, Any] | None:
    """Return how browsers' pages of other origins are served; None if they are not.

    Credentials that a browser adds by itself go along only from origins that are named.
    """
    if not settings.cors_origins:
        return None
    return {
        "allow_origins": settings.cors_origins,
        "allow_credentials": "*" not in settings.cors_origins,
        "allow_methods": ("GET", "POST", "PUT", "PATCH", "DELETE"),
        "allow_headers": _ASKED_WITH,
        "expose_headers": _SHOWN,
        "max_age": 600,
    }


def media_type_of(content_type: str) -> str:
    """Return a ``Content-Type`` without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=1_000)
def is_served(host: bytes, names: Sequence[str]) -> bool:
    """Whether a ``Host`` is one of the names: a whole one, or ``*.`` and its end."""
    name = host.decode("latin-1").lower()
    if not name.endswith("]"):  # of [::1] there is no port
        before, colon, port = name.rpartition(":")
        name = before if colon and port.isdecimal() else name
    return any(
        name.endswith(each[1:]) if each.startswith("*.") else name == each
        for each in names
    )
