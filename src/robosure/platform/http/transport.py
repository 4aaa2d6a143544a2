"""How a request came: over TLS, as far as that can be believed, or in the clear.

In production nothing is answered in the clear but those who watch over the process. It
is refused, not led to ``https``: a client that sent its key in the clear by mistake is
to notice it (OWASP ASVS 5.0, 4.1.2 and 12.2.1).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.types import Receive, Scope, Send

from robosure.platform.http.address import is_from_proxy
from robosure.platform.http.problems import problem_response
from robosure.platform.settings import Settings

_FORWARDED_PROTO: Final = b"x-forwarded-proto"
TLS: Final = "https"
_PLAIN: Final = "http"


def scheme_of(scope: Scope, settings: Settings) -> str:
    """Return how the client speaks: ``https`` or ``http``.

    What a proxy of ``settings.trusted_proxies`` says in ``X-Forwarded-Proto`` counts,
    where there are several only if all of them say so; from anybody else, only how they
    are connected.
    """
    scheme: str = scope["scheme"]
    if not is_from_proxy(scope, settings):
        return scheme
    told = [value for name, value in scope["headers"] if name == _FORWARDED_PROTO]
    if not told:
        return scheme
    hops = b",".join(told).decode("latin-1").split(",")
    return TLS if all(hop.strip().lower() == TLS for hop in hops) else _PLAIN


async def refuse_plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what came in the clear, and hang up."""
    response = problem_response(
        scope, HTTPStatus.FORBIDDEN, code="https_required",
        detail="this is served over TLS only; what came with the request was readable "
        "on its way: replace any password, token or key that was in it",
        headers={"Connection": "close"},
    )  # fmt: skip
    await response(scope, receive, send)
