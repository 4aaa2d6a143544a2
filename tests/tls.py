"""Authorities and certificates of the tests' own, and TLS in front of plain servers.

The wheels' PostgreSQL and Redis are built without TLS. What is tested is whether our
client checks who answers, so TLS ends in front of the real servers.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import trustme

LOOPBACK: Final = "127.0.0.1"
ANY_SUITE: Final = "ALL:@SECLEVEL=0"
"""What OpenSSL can still be made to take."""
_SSL_REQUEST: Final = bytes.fromhex("0000000804d2162f")
"""What a client of PostgreSQL asks before it says anything else."""


class Authority:
    """Somebody who signs certificates."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self.ca_file = directory / f"{id(self)}.ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def files(self, directory: Path, *names: str) -> tuple[Path, Path]:
        """Write a certificate of the names with its chain, and its key."""
        issued = self._ca.issue_cert(*names)
        certificate, key = directory / "certificate.pem", directory / "key.pem"
        certificate.unlink(missing_ok=True)
        for each in issued.cert_chain_pems:
            each.write_to_path(certificate, append=True)
        issued.private_key_pem.write_to_path(key)
        return certificate, key

    def context(self, *names: str) -> ssl.SSLContext:
        """Return a server's context with a certificate of the names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*(names or (LOOPBACK,))).configure_cert(context)
        return context


class Front:
    """TLS in front of a plain server.

    Attributes:
        taken: bytes that clients sent, once they had agreed to the certificate.
    """

    def __init__(self, context: ssl.SSLContext, behind: int | None) -> None:
        self._context = context
        self._behind = behind
        self.port = 0
        self.taken = b""

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._greeted(reader, writer)
        await writer.start_tls(self._context)
        if self._behind is None:
            self.taken += await reader.read(65_536)
            return
        inner_reader, inner_writer = await asyncio.open_connection(
            LOOPBACK, self._behind
        )
        onward = asyncio.create_task(self._pass_on(reader, inner_writer))
        while piece := await inner_reader.read(65_536):
            writer.write(piece)
            await writer.drain()
        onward.cancel()
        inner_writer.close()

    async def _greeted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Wait for what is said before TLS: nothing."""

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while piece := await reader.read(65_536):
            self.taken += piece
            writer.write(piece)
            await writer.drain()
        writer.close()


class PostgresFront(Front):
    """The same for PostgreSQL, whose clients ask for TLS in the clear."""

    async def _greeted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        assert await reader.readexactly(len(_SSL_REQUEST)) == _SSL_REQUEST
        writer.write(b"S")
        await writer.drain()


@asynccontextmanager
async def in_front(
    context: ssl.SSLContext, behind: int | None = None, *, kind: type[Front] = Front
) -> AsyncIterator[Front]:
    """Serve TLS in front of a port; without one, only hear what is sent."""
    front = kind(context, behind)
    server = await asyncio.start_server(front.serve, LOOPBACK, 0)
    front.port = server.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        server.close()


@contextmanager
def old_versions_allowed() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "ssl.TLSVersion", DeprecationWarning)
        yield


@contextmanager
def anything_goes(context: ssl.SSLContext, *, answer: bytes = b"") -> Iterator[int]:
    """A server that takes whatever OpenSSL can still be made to take.

    Args:
        context: with its certificate.
        answer: what it says to whoever asks something.
    """
    with old_versions_allowed():
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers(ANY_SUITE)
    with serving_each(lambda connection: _answer(connection, context, answer)) as port:
        yield port


def _answer(connection: socket.socket, context: ssl.SSLContext, answer: bytes) -> None:
    with context.wrap_socket(connection, server_side=True) as secure:
        if secure.recv(65_536):
            secure.sendall(answer)


@contextmanager
def serving_each(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve connections one after the other, in a thread; yield the port."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with suppress(OSError), connection:
                    connection.settimeout(5)
                    serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
