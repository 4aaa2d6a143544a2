"""Whose certificates are good, where this product is the client."""

from __future__ import annotations

import ssl
from os import PathLike
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

_YES: Final = frozenset({"1", "true", "t", "yes", "y", "on"})
"""As the client of Redis reads them."""


def trusting(
    ca_file: str | PathLike[str] | None = None, *, names: bool = True
) -> ssl.SSLContext:
    """Return a context that takes TLS 1.2 and 1.3 and checks certificates.

    Args:
        ca_file: PEM file of authorities, besides those that the system trusts.
        names: whether a certificate must be of the name that was asked for.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = names
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def trust_of_redis(url: str, ca_file: str | PathLike[str] | None) -> dict[str, Any]:
    """Return what a client of Redis takes besides a URL; nothing without TLS.

    What the URL itself says of certificates, such as ``?ssl_ca_certs=``, wins.
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return {}
    said = dict(parse_qsl(parts.query))
    names = said.get("ssl_check_hostname", "true").lower() in _YES
    options: dict[str, Any] = {
        "ssl_cert_reqs": said.get("ssl_cert_reqs", "required"),
        "ssl_check_hostname": names,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }
    authorities = said.get("ssl_ca_certs") or ca_file
    if authorities is not None:
        options["ssl_ca_certs"] = str(authorities)
    return options
