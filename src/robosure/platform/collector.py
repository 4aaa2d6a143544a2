"""The connection to the collector, by which traces and lines of the log leave.

Headers, such as those that say who sends, are as everywhere in OpenTelemetry's
``OTEL_EXPORTER_OTLP_HEADERS``.
"""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from robosure.platform.settings import Settings
from robosure.platform.tls.trust import trusting


def connection_to(settings: Settings, path: str) -> dict[str, Any]:
    """Return what an exporter of OTLP over HTTP takes: where to, and how.

    Raises:
        ValueError: no endpoint is set.
    """
    if settings.otlp_endpoint is None:
        raise ValueError("ROBOSURE_OTLP_ENDPOINT is not set")
    session = requests.Session()
    session.mount("https://", _CheckedAdapter(settings))
    endpoint = settings.otlp_endpoint.get_secret_value().rstrip("/")
    return {"endpoint": f"{endpoint}{path}", "session": session}


class _CheckedAdapter(HTTPAdapter):
    """Connects where a certificate is shown that the system or our file trusts."""

    def __init__(self, settings: Settings) -> None:
        self._context = trusting(settings.ca_file)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pool, with our context for its connections."""
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)
