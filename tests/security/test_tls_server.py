"""TLS as the API ends it itself: real handshakes with the real process."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from pydantic import ValidationError
from structlog.testing import capture_logs
from typer.testing import CliRunner

from robosure.entrypoints.cli import app
from robosure.entrypoints.doctor.hello import Version, chosen
from robosure.entrypoints.doctor.suites import strong_and_weak
from robosure.entrypoints.stack.ports import choose_port
from robosure.platform.settings import Settings, get_settings
from robosure.platform.tls.server import ServerCertificate, certificate_of
from tests.security.production import (
    NAME,
    Served,
    asked,
    production,
    serving_in_production,
)
from tests.tls import (
    ANY_SUITE,
    LOOPBACK,
    Authority,
    anything_goes,
    old_versions_allowed,
)


@pytest.fixture(scope="module")
def served(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served")
    with serving_in_production(database_url, redis_url, home) as running:
        yield running


def only(version: ssl.TLSVersion, suites: str = ANY_SUITE) -> ssl.SSLContext:
    """Return a client's context that takes one version, and anybody's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(suites)
    with old_versions_allowed():
        context.minimum_version = version
        context.maximum_version = version
    return context


def spoken(port: int, context: ssl.SSLContext) -> tuple[str, str]:
    with (
        socket.create_connection((LOOPBACK, port), 5) as connection,
        context.wrap_socket(connection, server_hostname=NAME) as secure,
    ):
        cipher, version = secure.cipher(), secure.version()
        assert cipher is not None
        assert version is not None
        return version, cipher[0]


REFUSED = (ssl.SSLError, ConnectionResetError)
"""An alert, or a connection that is closed in the midst of the handshake."""
OLD = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]


@pytest.mark.parametrize("version", OLD, ids=["1.0", "1.1"])
def test_older_versions_than_1_2_are_refused(
    served: Served, version: ssl.TLSVersion
) -> None:
    context = only(version)
    # given a client that would speak it
    with anything_goes(served.authority.context(NAME)) as port:
        assert spoken(port, context)[0] in {"TLSv1", "TLSv1.1"}
    # then ours refuses
    with pytest.raises(REFUSED):
        spoken(served.port, context)


def test_so_is_ssl_3(served: Served) -> None:
    strong, weak = strong_and_weak()
    suites = [*strong, *weak]
    answer = chosen(NAME, served.port, Version.SSL_3_0, suites, timeout=5)
    assert answer is None


@pytest.mark.parametrize(
    ("version", "expected"),
    [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")],
)
def test_1_2_and_1_3_are_taken_and_answered(
    served: Served, version: ssl.TLSVersion, expected: str
) -> None:
    context = ssl.create_default_context(cafile=served.authority.ca_file)
    context.minimum_version = context.maximum_version = version
    assert spoken(served.port, context)[0] == expected
    answer = asked(served.port, context)
    assert b" 200 " in answer
    assert b"strict-transport-security: max-age=31536000" in answer


@pytest.mark.parametrize(
    "suite",
    [
        "AES256-GCM-SHA384",  # no forward secrecy
        "AES128-SHA",
        "ECDHE-RSA-AES128-SHA256",  # not authenticated as a whole
        "ECDHE-ECDSA-AES256-SHA384",
        "ECDHE-ECDSA-AES128-SHA",
        "DHE-RSA-AES256-SHA",
        "AECDH-AES256-SHA",  # nobody proves anything
        "ECDHE-ECDSA-NULL-SHA",  # nothing is encrypted
    ],
)
def test_a_weak_suite_is_refused(served: Served, suite: str) -> None:
    strong = "ECDHE-ECDSA-AES128-GCM-SHA256"
    both = only(ssl.TLSVersion.TLSv1_2, f"{suite}:{strong}:@SECLEVEL=0")
    assert spoken(served.port, both) == ("TLSv1.2", strong)
    with pytest.raises(REFUSED):
        spoken(served.port, only(ssl.TLSVersion.TLSv1_2, f"{suite}:@SECLEVEL=0"))


def test_of_all_suites_only_strong_ones_are_taken(served: Served) -> None:
    strong, weak = strong_and_weak()

    def taken(port: int, suites: dict[int, str]) -> set[str]:
        left, found = dict(suites), set[str]()
        while left:
            suite = chosen(NAME, port, Version.TLS_1_2, left, timeout=5)
            if suite is None:
                break
            found.add(left.pop(suite))
        return found

    # given that whoever takes weak ones is found out
    with anything_goes(served.authority.context(NAME)) as port:
        assert {"ECDHE-ECDSA-AES128-SHA", "AECDH-AES128-SHA"} <= taken(port, weak)
    # then ours takes none, and of the strong ones those of its kind of key
    assert taken(served.port, weak) == set()
    assert taken(served.port, strong) == {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    }


def test_plain_http_has_no_answer_at_the_port_of_tls(served: Served) -> None:
    with socket.create_connection((LOOPBACK, served.port), 5) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with suppress(ConnectionResetError):
            assert not connection.recv(1024).startswith(b"HTTP")


# --- what does not start --------------------------------------------------------------

OWN: dict[str, Any] = {
    "environment": "production",
    "signing_key_files": "key.pem",
    "issuer": "https://insurer.example",
    "processor_secret": "x",
    "encryption_key": "y" * 32,
    "clamav_url": "off",
    "database_url": "postgresql://robosure:9f2b@db/robosure?sslmode=verify-full",
}


def test_production_does_not_serve_plain_http(
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in production(database_url, redis_url, tmp_path).items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    try:
        result = CliRunner().invoke(app, ["serve", "--port", str(choose_port())])
    finally:
        get_settings.cache_clear()
    assert result.exit_code == 1
    assert "production serves over TLS only" in result.stderr


def test_production_takes_a_proxys_word_only_if_it_is_told_which_proxy() -> None:
    with pytest.raises(ValidationError, match="ROBOSURE_TRUSTED_PROXIES"):
        Settings(_env_file=None, tls_ends_at_proxy=True, **OWN)
    told: dict[str, Any] = {**OWN, "trusted_proxies": "10.0.0.0/8"}
    settings = Settings(_env_file=None, tls_ends_at_proxy=True, **told)
    assert certificate_of(settings) is None
    # elsewhere, plain HTTP is what one's own machine speaks
    assert certificate_of(Settings(_env_file=None)) is None


def test_half_a_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="belong together"):
        Settings(_env_file=None, tls_certificate_file=tmp_path / "certificate.pem")


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.files(tmp_path, NAME)
    other = tmp_path / "other"
    other.mkdir()
    _, others_key = authority.files(other, NAME)
    settings = Settings(
        _env_file=None, tls_certificate_file=certificate, tls_key_file=others_key
    )
    with pytest.raises(ValueError, match="no certificate and its key"):
        certificate_of(settings)
    with pytest.raises(FileNotFoundError):
        ServerCertificate(certificate, tmp_path / "nowhere.pem")
    assert ServerCertificate(certificate, key).context() is not None


# --- renewal --------------------------------------------------------------------------


async def test_a_renewed_certificate_is_shown_without_a_new_start(
    tmp_path: Path,
) -> None:
    # given a server with a certificate
    authority = Authority(tmp_path)
    served = ServerCertificate(*authority.files(tmp_path, NAME))
    context = ssl.create_default_context(cafile=authority.ca_file)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, LOOPBACK, 0, ssl=served.context())
    port: int = server.sockets[0].getsockname()[1]

    async def shown() -> int:
        _, writer = await asyncio.open_connection(
            LOOPBACK, port, ssl=context, server_hostname=NAME
        )
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return x509.load_der_x509_certificate(found).serial_number

    first = await shown()
    assert await shown() == first
    # when the files are renewed
    certificate, _ = authority.files(tmp_path, NAME)
    # then who connects next sees the new one
    second = await shown()
    assert second != first
    # and what cannot be used is logged once, and changes nothing
    certificate.write_text("half written")
    with capture_logs() as logs:
        assert [await shown(), await shown()] == [second, second]
    assert [each["event"] for each in logs] == ["platform.tls.certificate_unusable"]
    certificate.unlink()
    assert await shown() == second
    authority.files(tmp_path, NAME)
    assert await shown() not in {first, second}
    server.close()
