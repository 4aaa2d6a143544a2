"""Greetings of TLS up to 1.2, byte by byte: what does a server take that we would not?

No TLS library of today still speaks what is looked for here. So the first message is
written by hand (RFC 5246, 7.4.1.2), and of the answer only read what was chosen.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_HELLO: Final = 2
_RECORD: Final = struct.Struct("!BHH")
_LARGEST_RECORD: Final = 1 << 14
_GROUPS: Final = (0x001D, 0x0017, 0x0018, 0x0019)  # x25519, P-256, P-384, P-521
_SIGNATURES: Final = (
    0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203,
    0x0201, 0x0807,
)  # fmt: skip


class Version(IntEnum):
    """Versions that are older than TLS 1.3, as they are written."""

    SSL_3_0 = 0x0300
    TLS_1_0 = 0x0301
    TLS_1_1 = 0x0302
    TLS_1_2 = 0x0303

    @property
    def words(self) -> str:
        """As people write it."""
        protocol, *numbers = self.name.split("_")
        return f"{protocol} {'.'.join(numbers)}"


def chosen(
    host: str, port: int, version: Version, suites: Iterable[int], *, timeout: float
) -> int | None:
    """Offer one version and some suites; return the one that is chosen, if any is.

    Raises:
        OSError: nobody answers there.
    """
    with socket.create_connection((host, port), timeout) as connection:
        try:
            connection.sendall(_hello(host, version, list(suites)))
            return _suite_in(_record(connection), version)
        except (ConnectionError, EOFError):
            return None  # hung up, which is a refusal as well
        except TimeoutError:
            return None  # as is silence


def _hello(host: str, version: Version, suites: list[int]) -> bytes:
    offered = struct.pack(f"!{len(suites)}H", *suites)
    body = struct.pack("!H", version) + os.urandom(32) + b"\0"
    body += _long(offered) + b"\1\0"  # no compression
    if version is not Version.SSL_3_0:
        body += _long(_extensions(host))
    message = bytes([_CLIENT_HELLO]) + len(body).to_bytes(3, "big") + body
    # The record of a first message is of an old version (RFC 5246, E.1).
    record = min(version, Version.TLS_1_0)
    return _RECORD.pack(_HANDSHAKE, record, len(message)) + message


def _extensions(host: str) -> bytes:
    groups = struct.pack(f"!{len(_GROUPS)}H", *_GROUPS)
    signatures = struct.pack(f"!{len(_SIGNATURES)}H", *_SIGNATURES)
    said = [
        (10, _long(groups)),
        (11, b"\1\0"),  # points are not compressed
        (13, _long(signatures)),
        (0xFF01, b"\0"),  # renegotiates securely
    ]
    if not _is_address(host):
        name = b"\0" + _long(host.encode("idna"))
        said.insert(0, (0, _long(name)))
    return b"".join(struct.pack("!H", kind) + _long(value) for kind, value in said)


def _long(content: bytes) -> bytes:
    return struct.pack("!H", len(content)) + content


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def _record(connection: socket.socket) -> bytes:
    """Return what the first record holds, if it belongs to a handshake; else nothing.

    Raises:
        EOFError: the connection was closed before it was whole.
    """
    kind, _, length = _RECORD.unpack(_exactly(connection, _RECORD.size))
    if kind != _HANDSHAKE or length > _LARGEST_RECORD:
        return b""  # an alert, or no TLS at all
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        piece = connection.recv(length - len(content))
        if not piece:
            raise EOFError
        content += piece
    return content


def _suite_in(message: bytes, version: Version) -> int | None:
    """Return the suite that a ServerHello names, if it took the version."""
    head = 1 + 3
    if message[:1] != bytes([_SERVER_HELLO]) or len(message) < head + 35:
        return None
    (answered,) = struct.unpack_from("!H", message, head)
    session = message[head + 34]
    (suite,) = struct.unpack_from("!H", message, head + 35 + session)
    found: int = suite
    return found if answered == version else None
