"""Security events: attempts that were refused, told to whoever watches.

They changed nothing, so they belong to no transaction and to no chain of the audit
trail: they are logged and counted (OWASP ASVS 5.0, V16.3), each with who tried what.
"""

from __future__ import annotations

from typing import Final

from fastapi import Request

from robosure.kernel.errors import DomainError, ErrorKind
from robosure.platform.http.address import client_address
from robosure.platform.http.edge import edge_of, template_of
from robosure.platform.logging import get_logger
from robosure.platform.metrics import counter
from robosure.platform.security import Principal

ACCESS_REFUSED: Final = frozenset({ErrorKind.UNAUTHENTICATED, ErrorKind.FORBIDDEN})
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
REFUSALS: Final = counter(
    "security_refusals_total",
    "Requests refused for want of a proof or of a permission.",
    ["code", "writes"],
)


def note_refusal(request: Request, error: DomainError) -> None:
    """Log and count a request that nobody proved to make, or that is not theirs."""
    principal: Principal | None = getattr(request.state, "principal", None)
    writes = request.method not in _READING
    REFUSALS.labels(error.code, str(writes).lower()).inc()
    get_logger().warning(
        "platform.security.access_refused",
        code=error.code,
        method=request.method,
        endpoint=template_of(request.scope),
        writes=writes,
        actor=None if principal is None else str(principal.subject),
        client=client_address(request.scope, edge_of(request).runtime.settings),
    )
