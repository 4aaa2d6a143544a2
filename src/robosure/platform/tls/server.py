"""The certificate that the API shows, and which TLS it speaks with it.

TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3, all of whose
suites have both: Mozilla's intermediate configuration without its suites of plain
Diffie-Hellman, which clients that know TLS 1.2 do without.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from robosure.platform.logging import LoggerMixin
from robosure.platform.settings import Settings

_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK"
_Stamp = tuple[int, ...]


def certificate_of(settings: Settings) -> ServerCertificate | None:
    """Return what the API ends TLS with; None where it speaks plain HTTP.

    Raises:
        ValueError: it would serve plain HTTP to whoever connects, in production; or the
            files do not hold a certificate and its key.
        OSError: they cannot be read.
    """
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if certificate is not None and key is not None:
        return ServerCertificate(certificate, key)
    if settings.environment == "production" and not settings.tls_ends_at_proxy:
        raise ValueError(
            "production serves over TLS only: set ROBOSURE_TLS_CERTIFICATE_FILE and "
            "ROBOSURE_TLS_KEY_FILE, or ROBOSURE_TLS_ENDS_AT_PROXY=true where a proxy "
            "in front does it"
        )
    return None


class ServerCertificate(LoggerMixin):
    """A certificate with its chain, and its key: files that others renew.

    A renewed certificate is shown to whoever connects next; nothing needs to be started
    anew. One that cannot be used is logged, and the one before it shown on.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        """Load them.

        Raises:
            ValueError: the files do not hold a certificate and its key.
            OSError: they cannot be read.
        """
        self._certificate = certificate
        self._key = key
        self._seen = self._stamp()
        try:
            self._current = self._load()
        except ssl.SSLError as error:
            raise ValueError(
                f"{certificate} and {key} are no certificate and its key: {error}"
            ) from error

    def context(self, *_: object) -> ssl.SSLContext:
        """Return the context to serve with, whatever a server says of itself."""
        return self._current

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_SUITES)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._certificate, self._key)
        context.sni_callback = self._greeted
        return context

    def _greeted(
        self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        """Show a connection that begins the newest certificate."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                # Once for each change, be it usable or not.
                self._seen = stamp
                self._current = self._load()
                self.logger.info("platform.tls.certificate_renewed")
        except OSError as error:  # of which SSLError is one
            self.logger.error(  # noqa: TRY400 - the reason says it all
                "platform.tls.certificate_unusable", reason=str(error)
            )
        connection.context = self._current

    def _stamp(self) -> _Stamp:
        """Return what is different once a file is."""
        found = [path.stat() for path in (self._certificate, self._key)]
        return tuple(n for each in found for n in (each.st_mtime_ns, each.st_ino))
