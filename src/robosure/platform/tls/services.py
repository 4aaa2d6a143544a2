"""Which of the services that the settings name are reached without checked TLS.

What does not leave the machine, by its loopback or a Unix socket, needs none.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from robosure.platform.settings import Settings

Service = Literal["postgresql", "redis", "kafka", "smtp", "otlp"]


def unprotected(settings: Settings) -> dict[Service, str]:
    """Return them, each with what would protect it.

    Protected is what goes over TLS, to who shows a certificate of that name that a
    trusted authority signed.
    """
    return dict(_unprotected(settings))


def _unprotected(settings: Settings) -> Iterator[tuple[Service, str]]:
    databases = {
        "DATABASE_URL": settings.database_url,
        "ROBOSURE_MIGRATION_DATABASE_URL": settings.migration_database_url,
    }
    for name, url in databases.items():
        if url is not None and not _database_is_safe(url.get_secret_value()):
            yield "postgresql", f"{name} needs ?sslmode=verify-full"
    if not _redis_is_safe(settings.redis_url.get_secret_value()):
        yield "redis", "REDIS_URL must begin with rediss://, and check certificates"
    bus = settings.event_bus.get_secret_value()
    if bus.startswith("kafka://") and not _all_here(_hosts(bus)):
        yield "kafka", "ROBOSURE_EVENT_BUS must begin with kafkas://"
    mail = settings.smtp_host
    if mail and settings.smtp_security == "none" and not _is_here(mail):
        yield "smtp", "ROBOSURE_SMTP_SECURITY must be starttls or tls"
    if settings.otlp_endpoint is not None:
        endpoint = urlsplit(settings.otlp_endpoint.get_secret_value())
        if endpoint.scheme != "https" and not _is_here(endpoint.hostname or ""):
            yield "otlp", "ROBOSURE_OTLP_ENDPOINT must begin with https://"


def _database_is_safe(url: str) -> bool:
    query = parse_qs(urlsplit(url).query)
    hosts = [host for host in _hosts(url) + query.get("host", []) if host]
    # Where a URL names none, drivers look there before they turn to a socket.
    hosts = hosts or [os.environ.get("PGHOST", "")]
    modes = query.get("sslmode", []) + query.get("ssl", [])
    return _all_here(hosts) or modes == ["verify-full"]


def _redis_is_safe(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "unix" or _is_here(parts.hostname or ""):
        return True
    query = parse_qs(parts.query)
    checked = query.get("ssl_cert_reqs", ["required"]) == ["required"]
    named = query.get("ssl_check_hostname", ["true"]) == ["true"]
    return parts.scheme == "rediss" and checked and named


def _hosts(url: str) -> list[str]:
    """Return the hosts of a URL that may name several."""
    hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
    return [urlsplit(f"//{host}").hostname or "" for host in hosts]


def _all_here(hosts: list[str]) -> bool:
    return all(_is_here(host) for host in hosts)


def _is_here(host: str) -> bool:
    """Whether that is this machine: its loopback, or a socket in its files."""
    if host in {"", "localhost"} or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
