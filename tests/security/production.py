"""The API as a process of its own, in production, with a certificate of the tests'."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from robosure.entrypoints.stack.ports import choose_port
from tests.tls import LOOPBACK, Authority

NAME: Final = "localhost"
_START_SECONDS: Final = 90


@dataclass(frozen=True)
class Served:
    """A process that serves as in production."""

    port: int
    authority: Authority


@contextmanager
def serving_in_production(
    database_url: str, redis_url: str, home: Path
) -> Iterator[Served]:
    """Serve over TLS until the block is done."""
    authority = Authority(home)
    certificate, key = authority.files(home, NAME, LOOPBACK)
    environment = {
        **production(database_url, redis_url, home),
        "ROBOSURE_TLS_CERTIFICATE_FILE": str(certificate),
        "ROBOSURE_TLS_KEY_FILE": str(key),
    }
    port = choose_port()
    with _process(environment, port, home):
        wait_for(port, authority)
        yield Served(port, authority)


def production(database_url: str, redis_url: str, home: Path) -> dict[str, str]:
    signing = home / "signing.pem"
    signing.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    return {
        **os.environ,
        "ENVIRONMENT": "production",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "ROBOSURE_SIGNING_KEY_FILES": str(signing),
        "ROBOSURE_ISSUER": "https://insurer.example",
        "ROBOSURE_PROCESSOR_SECRET": "of this test",
        "ROBOSURE_ENCRYPTION_KEY": "y" * 32,
        "ROBOSURE_CLAMAV_URL": "off",
        "ROBOSURE_FILES_DIRECTORY": str(home / "files"),
    }


@contextmanager
def _process(environment: dict[str, str], port: int, home: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "robosure.entrypoints.cli", "serve"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env=environment, cwd=home, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_for(port: int, authority: Authority) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends:
        try:
            if b" 200 " in asked(
                port, ssl.create_default_context(cafile=authority.ca_file)
            ):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server does not start")


def asked(port: int, context: ssl.SSLContext, path: str = "/health") -> bytes:
    with (
        socket.create_connection((LOOPBACK, port), 5) as connection,
        context.wrap_socket(connection, server_hostname=NAME) as secure,
    ):
        head = f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"
        secure.sendall(head.encode())
        answer = b""
        while piece := secure.recv(65_536):
            answer += piece
    return answer
