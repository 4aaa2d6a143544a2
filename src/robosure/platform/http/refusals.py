"""Security events: attempts and files that were refused, told to whoever watches.

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
from robosure.platform.uploads import INFECTED

ACCESS_REFUSED: Final = frozenset({ErrorKind.UNAUTHENTICATED, ErrorKind.FORBIDDEN})
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
REFUSALS: Final = counter(
    "security_refusals_total",
    "Requests refused for want of a proof or of a permission.",
    ["code", "writes"],
)
INFECTED_FILES: Final = counter(
    "uploads_infected_total", "Files refused because the scanner found something."
)


def note_security_event(request: Request, error: DomainError) -> None:
    """Log and count a refusal that whoever watches should know of, if it is one."""
    if error.kind in ACCESS_REFUSED:
        _note_access(request, error)
    elif error.code == INFECTED:
        _note_infection(request, error)


def _note_access(request: Request, error: DomainError) -> None:
    """Tell of a request that nobody proved to make, or that is not theirs."""
    writes = request.method not in _READING
    REFUSALS.labels(error.code, str(writes).lower()).inc()
    get_logger().warning(
        "platform.security.access_refused",
        code=error.code,
        writes=writes,
        **_who_tried_what(request),
    )


def _note_infection(request: Request, error: DomainError) -> None:
    """Tell of a file that is known to do harm, by its hash, for it is not kept."""
    INFECTED_FILES.inc()
    get_logger().warning(
        "platform.security.file_infected",
        code=error.code,
        **error.details,
        **_who_tried_what(request),
    )


def _who_tried_what(request: Request) -> dict[str, str | None]:
    principal: Principal | None = getattr(request.state, "principal", None)
    return {
        "method": request.method,
        "endpoint": template_of(request.scope),
        "actor": None if principal is None else str(principal.subject),
        "client": client_address(request.scope, edge_of(request).runtime.settings),
    }
