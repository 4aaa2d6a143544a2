"""``robosure doctor``: good deployments are told from bad ones, by real handshakes."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import certifi
import pytest
import trustme
from typer.testing import CliRunner, Result

from robosure.entrypoints.cli import app
from robosure.entrypoints.stack.ports import choose_port
from tests.security.production import NAME, Served, serving_in_production
from tests.tls import Authority, anything_goes, serving_each

EVERYBODYS: Final = "those that everybody trusts"
KEPT: Final = b"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"


@pytest.fixture(scope="module")
def served(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served")
    with serving_in_production(database_url, redis_url, home) as running:
        yield running


async def doctor(*arguments: object) -> Result:
    call = ["doctor", *(str(each) for each in arguments)]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, call))


async def examined(
    port: int, *arguments: object, http_port: int | None = None
) -> tuple[int, dict[str, tuple[str, str]]]:
    """Return how it ended, and what was found of each thing."""
    result = await doctor(
        "--url", f"https://{NAME}:{port}", "--http-port", http_port or choose_port(),
        "--json", *arguments,
    )  # fmt: skip
    document: dict[str, Any] = json.loads(result.stdout)
    assert document["sound"] is (result.exit_code == 0)
    found = {
        each["check"]: (each["verdict"], each["seen"]) for each in document["findings"]
    }
    return result.exit_code, found


def answering(head: str, headers: bytes = b"") -> bytes:
    return f"HTTP/1.1 {head}\r\n".encode() + headers + b"Content-Length: 0\r\n\r\n"


@contextmanager
def plainly(answer: bytes) -> Iterator[int]:
    """A server of plain HTTP."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    with serving_each(serve) as port:
        yield port


@contextmanager
def modern(context: ssl.SSLContext, headers: bytes = KEPT) -> Iterator[int]:
    """A server whose TLS is as it should be."""

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            if secure.recv(65_536):
                secure.sendall(answering("200 OK", headers))

    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM")
    with serving_each(serve) as port:
        yield port


async def test_the_api_itself_is_sound(served: Served) -> None:
    ended, found = await examined(
        served.port, "--ca-file", served.authority.ca_file, http_port=served.port
    )
    assert ended == 0, found
    assert {name: verdict for name, (verdict, _) in found.items()} == dict.fromkeys(
        ("protocols", "suites", "trust", "name", "time", "browsers", "plain HTTP"),
        "good",
    )
    assert found["protocols"][1] == "takes TLS 1.2, TLS 1.3, and nothing older"
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in found["suites"][1]


async def test_a_certificate_that_not_everybody_trusts_is_told(served: Served) -> None:
    ended, found = await examined(served.port)
    assert ended == 1
    assert found["trust"] == (
        "wrong",
        f"not signed by {EVERYBODYS}: unable to get local issuer certificate",
    )
    wrong = [name for name, (verdict, _) in found.items() if verdict == "wrong"]
    assert wrong == ["trust"]


async def test_one_that_everybody_trusts_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an authority among those that everybody has
    authority = Authority(tmp_path)
    monkeypatch.setattr(certifi, "where", lambda: str(authority.ca_file))
    with modern(authority.context(NAME)) as port:
        ended, found = await examined(port)
    assert (ended, found["trust"]) == (
        0,
        ("good", f"signed by {EVERYBODYS}"),
    )


async def test_what_is_wrong_is_said_in_words_too(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    # given a server that takes what is old and weak, and keeps nobody to TLS
    answer = answering("200 OK")
    with (
        anything_goes(authority.context("db.example"), answer=answer) as port,
        plainly(answering("401 Unauthorized")) as plain,
    ):
        said = ("--url", f"https://{NAME}:{port}", "--http-port", plain)
        told = await doctor(*said, "--ca-file", authority.ca_file)
        ended, found = await examined(
            port, "--ca-file", authority.ca_file, http_port=plain
        )
    assert (told.exit_code, ended) == (1, 1)
    wrong = {name for name, (verdict, _) in found.items() if verdict == "wrong"}
    assert wrong == {"protocols", "suites", "name", "browsers", "plain HTTP"}
    assert "TLS 1.0, TLS 1.1 must be refused" in found["protocols"][1]
    assert "AECDH-AES256-SHA" in found["suites"][1]
    assert "localhost" in found["name"][1]
    assert "no Strict-Transport-Security" in found["browsers"][1]
    assert found["plain HTTP"][1].endswith("answers in the clear: 401")
    for name in found:
        assert name in told.stdout


@pytest.mark.parametrize(
    ("lasts", "verdict"),
    [
        (timedelta(days=-1), "wrong"),
        (timedelta(days=5), "warning"),
        (timedelta(days=60), "good"),
    ],
)
async def test_how_long_a_certificate_lasts_is_told(
    tmp_path: Path, lasts: timedelta, verdict: str
) -> None:
    authority, ends = trustme.CA(), datetime.now(UTC) + lasts
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue_cert(
        NAME, not_before=ends - timedelta(days=90), not_after=ends
    )
    issued.configure_cert(context)
    with modern(context) as port:
        ended, found = await examined(port, "--ca-file", tmp_path / "ca.pem")
    assert found["time"][0] == verdict
    assert f"{ends:%Y-%m-%d}" in found["time"][1]
    assert found["name"][0] == "good"
    assert ended == (1 if verdict == "wrong" else 0)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (answering("403 Forbidden"), "good"),
        (answering("400 Bad Request"), "good"),
        (b"", "good"),
        (b"\x15\x03\x03\x00\x02\x02\x0a", "good"),
        (answering("308 Moved", b"Location: https://localhost/\r\n"), "warning"),
        (answering("302 Found", b"Location: http://localhost/\r\n"), "wrong"),
        (answering("200 OK"), "wrong"),
        (answering("404 Not Found"), "wrong"),
    ],
)
async def test_what_is_answered_in_the_clear_is_judged(
    tmp_path: Path, answer: bytes, verdict: str
) -> None:
    authority = Authority(tmp_path)
    with modern(authority.context(NAME)) as port, plainly(answer) as plain:
        ended, found = await examined(
            port, "--ca-file", authority.ca_file, http_port=plain
        )
    assert (found["plain HTTP"][0], ended) == (verdict, int(verdict == "wrong"))


async def test_a_year_is_how_long_browsers_are_kept(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    short = b"Strict-Transport-Security: max-age=86400\r\n"
    with modern(authority.context(NAME), short) as port:
        ended, found = await examined(port, "--ca-file", authority.ca_file)
    assert (ended, found["browsers"][0]) == (1, "wrong")
    assert "less than a year" in found["browsers"][1]


async def test_what_speaks_no_tls_is_told() -> None:
    with plainly(answering("200 OK")) as port:
        ended, found = await examined(port)
    assert ended == 1
    assert found["protocols"] == ("wrong", "takes neither TLS 1.2 nor TLS 1.3")
    assert (found["certificate"][0], found["browsers"][0]) == ("wrong", "wrong")


async def test_without_tls_1_3_it_is_sound_but_not_new(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.context(NAME)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with modern(context) as port:
        ended, found = await examined(port, "--ca-file", authority.ca_file)
    assert (ended, found["protocols"]) == (
        0,
        ("warning", "takes TLS 1.2, and no TLS 1.3"),
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://localhost", "must begin with https://"),
        ("localhost", "must begin with https://"),
        ("https://localhost:{closed}", "a server does not answer"),
    ],
)
async def test_where_there_is_nothing_to_examine_one_line_says_so(
    url: str, said: str
) -> None:
    result = await doctor("--url", url.format(closed=choose_port()))
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stdout == ""
