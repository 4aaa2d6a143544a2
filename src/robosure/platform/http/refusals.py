"""Security events: attempts and files that were refused, told to whoever watches.

They changed nothing, so they belong to no transaction and to no chain of the audit
trail: they are logged and counted (OWASP ASVS 5.0, V16.3), each with who tried what.
None holds anything of what was sent. All are counted; of refused input, which a flood
is made of, so many lines a minute are written and no more.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request

from robosure.kernel.errors import DomainError, ErrorKind
from robosure.platform.http.address import UNKNOWN, client_address, source_of
from robosure.platform.http.edge import template_of
from robosure.platform.logging import get_logger
from robosure.platform.metrics import counter
from robosure.platform.security import Principal
from robosure.platform.uploads import INFECTED

ACCESS_REFUSED: Final = frozenset({ErrorKind.UNAUTHENTICATED, ErrorKind.FORBIDDEN})
INPUT_REFUSED: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.MISDIRECTED_REQUEST,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""What is answered where input, or its rate, gets past no control."""
LINES_OF_ONE: Final = 30
"""How many lines a minute one address's refused input is worth."""
LINES: Final = 300
"""How many everybody's is, in one process."""
_MINUTE: Final = 60.0
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS: Final = frozenset({*_READING, "POST", "PUT", "PATCH", "DELETE"})
REFUSALS: Final = counter(
    "security_refusals_total",
    "Requests refused for want of a proof or of a permission.",
    ["code", "writes"],
)
INFECTED_FILES: Final = counter(
    "uploads_infected_total", "Files refused because the scanner found something."
)
INPUT_REFUSALS: Final = counter(
    "security_input_refusals_total",
    "Requests refused for what they hold, how large they are or how many there are.",
    ["code"],
)


class Lines:
    """How many lines are still written this minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self._written: Counter[str] = Counter()

    def take(self, source: str) -> tuple[bool, bool]:
        """Return whether one more is written, and whether it is the last for now."""
        now = self._clock()
        if now >= self._until:
            self._until = now + _MINUTE
            self._written.clear()
        if self._written.total() >= LINES or self._written[source] >= LINES_OF_ONE:
            return False, False
        self._written[source] += 1
        full = self._written.total() >= LINES or self._written[source] >= LINES_OF_ONE
        return True, full


_lines: Final = Lines()


def note_security_event(request: Request, error: DomainError) -> None:
    """Log and count a refusal that whoever watches should know of, if it is one.

    Such as a request that nobody proved to make, or that is not theirs, or a file that
    is known to do harm: by its hash, for it is not kept.
    """
    told = _told(request.scope, error.code)
    if error.kind in ACCESS_REFUSED:
        REFUSALS.labels(error.code, str(told["writes"]).lower()).inc()
        get_logger().warning("platform.security.access_refused", **told)
    elif error.code == INFECTED:
        INFECTED_FILES.inc()
        get_logger().warning("platform.security.file_infected", **error.details, **told)


def note_refused_input(scope: Any, code: str) -> None:
    """Count a request whose input was refused, and log it while there is room."""
    INPUT_REFUSALS.labels(code).inc()
    written, last = _lines.take(source_of(_client(scope)))
    if written:
        told = _told(scope, code)
        get_logger().warning("platform.security.input_refused", **told, last=last)


def _told(scope: Any, code: str) -> dict[str, Any]:
    principal: Principal | None = scope.get("state", {}).get("principal")
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    return {
        "code": code,
        "method": method,
        "endpoint": template_of(scope),
        "writes": method not in _READING,
        "actor": None if principal is None else str(principal.subject),
        "client": _client(scope),
    }


def _client(scope: Any) -> str:
    """Return the client's address; one is known once the application has started."""
    edge = getattr(scope["app"].state, "edge", None) if "app" in scope else None
    return UNKNOWN if edge is None else client_address(scope, edge.runtime.settings)
