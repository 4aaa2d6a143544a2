"""What is asked of a deployment, and what is made of its answers."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import certifi
import httpx
from cryptography import x509

from robosure.entrypoints.doctor.hello import Version, chosen
from robosure.entrypoints.doctor.suites import strong_and_weak

_SECONDS: Final = 5.0
_TLS_PORT: Final = 443
_LATE: Final = timedelta(days=14)
_YEAR_SECONDS: Final = 31_536_000  # OWASP ASVS 5.0, 3.4.1
_NO_CHECK_TIME: Final = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME
_MAX_AGE: Final = re.compile(r"max-age\s*=\s*\"?(\d+)", re.IGNORECASE)
_PROTECTED_PATH: Final = "/api/v1/auth/me"
_REFUSALS: Final = frozenset({400, 403, 405, 410, 421, 426, 502, 503})
"""Answers that say: not like this."""


class Verdict(StrEnum):
    """What to think of an answer."""

    GOOD = "good"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """What was asked, what was seen, and what to think of it."""

    check: str
    verdict: Verdict
    seen: str


@dataclass(frozen=True)
class Deployment:
    """Where a deployment is, and whom its clients trust.

    Attributes:
        ca_file: authorities that are trusted instead of those that everybody does.
        http_port: where plain HTTP would be served.
    """

    host: str
    port: int
    ca_file: Path | None = None
    http_port: int = 80

    @classmethod
    def at(cls, url: str, *, ca_file: Path | None, http_port: int) -> Deployment:
        """Read where it is.

        Raises:
            ValueError: it is no such URL.
        """
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"{url} must begin with https:// and a name")
        return cls(parts.hostname, parts.port or _TLS_PORT, ca_file, http_port)

    def origin(self, scheme: str, port: int) -> str:
        """Return the address of a port of it."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{name}:{port}"


def examine(deployment: Deployment) -> Iterator[Finding]:
    """Ask everything, one after the other.

    Raises:
        OSError: nobody answers there.
    """
    with socket.create_connection((deployment.host, deployment.port), _SECONDS):
        pass
    yield _protocols(deployment)
    yield _suites(deployment)
    yield from _certificate(deployment)
    yield _kept_to_tls(deployment)
    yield _in_the_clear(deployment)


def _protocols(deployment: Deployment) -> Finding:
    strong, weak = strong_and_weak()
    old = [
        version.words
        for version in (Version.SSL_3_0, Version.TLS_1_0, Version.TLS_1_1)
        if _chosen(deployment, version, {**weak, **strong}) is not None
    ]
    new = [
        name
        for name, version in (
            ("TLS 1.2", ssl.TLSVersion.TLSv1_2),
            ("TLS 1.3", ssl.TLSVersion.TLSv1_3),
        )
        if _speaks(deployment, version)
    ]
    taken = ", ".join(old + new) or "none"
    if old:
        wrong = f"takes {taken}: {', '.join(old)} must be refused"
        return Finding("protocols", Verdict.WRONG, wrong)
    if not new:
        return Finding("protocols", Verdict.WRONG, "takes neither TLS 1.2 nor TLS 1.3")
    if "TLS 1.3" not in new:
        return Finding("protocols", Verdict.WARNING, f"takes {taken}, and no TLS 1.3")
    return Finding("protocols", Verdict.GOOD, f"takes {taken}, and nothing older")


def _suites(deployment: Deployment) -> Finding:
    strong, weak = strong_and_weak()
    if bad := _taken(deployment, weak):
        return Finding("suites", Verdict.WRONG, f"takes weak ones: {', '.join(bad)}")
    good = ", ".join(_taken(deployment, strong)) or "those of TLS 1.3"
    return Finding("suites", Verdict.GOOD, f"takes no weak ones, but {good}")


def _taken(deployment: Deployment, suites: dict[int, str]) -> list[str]:
    """Return the names of suites that TLS 1.2 is spoken with."""
    left, taken = dict(suites), list[str]()
    while left:
        suite = _chosen(deployment, Version.TLS_1_2, left)
        if suite is None or suite not in left:
            break
        taken.append(left.pop(suite))
    return taken


def _chosen(
    deployment: Deployment, version: Version, suites: dict[int, str]
) -> int | None:
    return chosen(deployment.host, deployment.port, version, suites, timeout=_SECONDS)


def _speaks(deployment: Deployment, version: ssl.TLSVersion) -> bool:
    context = _believing_anything()
    context.minimum_version = context.maximum_version = version
    try:
        _greet(deployment, context)
    except (ssl.SSLError, ConnectionError, TimeoutError):
        return False
    return True


def _certificate(deployment: Deployment) -> Iterator[Finding]:
    try:
        shown = _greet(deployment, _believing_anything())
    except (ssl.SSLError, ConnectionError, TimeoutError) as error:
        yield Finding("certificate", Verdict.WRONG, f"none is shown: {error}")
        return
    whose = "those that everybody trusts"
    if deployment.ca_file is not None:
        whose = f"those of {deployment.ca_file}, which not everybody has"
    trusted = ssl.create_default_context(cafile=deployment.ca_file or certifi.where())
    trusted.check_hostname = False
    reason = _refusal(deployment, trusted)
    yield (
        Finding("trust", Verdict.GOOD, f"signed by {whose}")
        if reason is None
        else Finding("trust", Verdict.WRONG, f"not signed by {whose}: {reason}")
    )
    # By itself: whoever signed it, and however old it is.
    named = ssl.create_default_context(cadata=shown)
    named.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    named.verify_flags = ssl.VerifyFlags(named.verify_flags | _NO_CHECK_TIME)
    reason = _refusal(deployment, named)
    yield (
        Finding("name", Verdict.GOOD, f"is of {deployment.host}")
        if reason is None
        else Finding("name", Verdict.WRONG, reason)
    )
    yield _time_left(x509.load_der_x509_certificate(shown))


def _refusal(deployment: Deployment, context: ssl.SSLContext) -> str | None:
    """Return why a certificate is not good; None if it is."""
    try:
        _greet(deployment, context)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return None


def _time_left(certificate: x509.Certificate) -> Finding:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = ends - datetime.now(UTC)
    day = f"{ends:%Y-%m-%d}"
    if left < timedelta():
        return Finding("time", Verdict.WRONG, f"ended on {day}")
    seen = f"ends on {day}, in {left.days} days"
    late = left < min(_LATE, (ends - begins) / 4)
    return Finding("time", Verdict.WARNING if late else Verdict.GOOD, seen)


def _kept_to_tls(deployment: Deployment) -> Finding:
    name = "browsers"
    try:
        # The certificate is judged above; here is asked what is said behind it.
        with httpx.Client(
            verify=_believing_anything(), timeout=_SECONDS, trust_env=False
        ) as client:
            address = deployment.origin("https", deployment.port)
            answer = client.get(f"{address}/health")
    except httpx.HTTPError as error:
        return Finding(name, Verdict.WRONG, f"no answer: {_words(error)}")
    said = answer.headers.get("strict-transport-security", "")
    age = _MAX_AGE.search(said)
    if age is None:
        return Finding(
            name, Verdict.WRONG, "not kept to TLS: no Strict-Transport-Security"
        )
    if int(age[1]) < _YEAR_SECONDS:
        return Finding(name, Verdict.WRONG, f"kept to TLS for less than a year: {said}")
    return Finding(name, Verdict.GOOD, f"kept to TLS: {said}")


def _in_the_clear(deployment: Deployment) -> Finding:
    name = "plain HTTP"
    address = deployment.origin("http", deployment.http_port)
    try:
        with httpx.Client(timeout=_SECONDS, trust_env=False) as client:
            answer = client.get(f"{address}{_PROTECTED_PATH}")
    except httpx.HTTPError as error:
        return Finding(name, Verdict.GOOD, f"no answer at {address}: {_words(error)}")
    if answer.status_code in _REFUSALS:
        return Finding(
            name, Verdict.GOOD, f"refused at {address}: {answer.status_code}"
        )
    leads_to = answer.headers.get("location", "")
    if answer.has_redirect_location and leads_to.startswith("https://"):
        return Finding(
            name,
            Verdict.WARNING,
            f"{address} leads API calls on to https, so that a client which sends its "
            "key in the clear never notices: refuse them",
        )
    return Finding(
        name, Verdict.WRONG, f"{address} answers in the clear: {answer.status_code}"
    )


def _greet(deployment: Deployment, context: ssl.SSLContext) -> bytes:
    """Shake hands, and return the certificate that was shown.

    Raises:
        OSError: that came to nothing.
    """
    address = (deployment.host, deployment.port)
    with (
        socket.create_connection(address, _SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=deployment.host) as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def _believing_anything() -> ssl.SSLContext:
    """Return a context that speaks to anybody, to see what they have to say."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
