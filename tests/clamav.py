"""A scanner that speaks clamd's protocol to the letter and knows one bad file.

What a real clamd answers stands in ``tests/integration/platform/test_clamav.py``, which
asks this one and a real one the same.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

EICAR: Final = (
    rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
)
"""What every scanner calls infected, and is harmless (eicar.org)."""
MOST: Final = 1024 * 1024


class ScannerStandIn:
    """Serves ``zINSTREAM`` and ``zPING``.

    Attributes:
        scanned: lengths of what it was sent.
        answer: what it says instead of its finding.
        silent: whether it takes what it is sent and says nothing.
    """

    def __init__(self) -> None:
        self.scanned: list[int] = []
        self.answer: bytes | None = None
        self.silent = False

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one command, as a session does, and hang up."""
        try:
            answer = await self._answer(await reader.readuntil(b"\0"), reader)
            if self.silent:
                await reader.read()
            else:
                writer.write(self.answer or answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, command: bytes, reader: asyncio.StreamReader) -> bytes:
        if command == b"zPING\0":
            return b"PONG\0"
        if command != b"zINSTREAM\0":
            return b"UNKNOWN COMMAND\0"
        content = bytearray()
        while length := struct.unpack(">I", await reader.readexactly(4))[0]:
            if len(content) + length > MOST:
                return b"INSTREAM size limit exceeded. ERROR\0"
            content += await reader.readexactly(length)
        self.scanned.append(len(content))
        found = content.startswith(EICAR) or b"," + EICAR in content
        return b"stream: Eicar-Test-Signature FOUND\0" if found else b"stream: OK\0"


@asynccontextmanager
async def a_scanner() -> AsyncIterator[tuple[ScannerStandIn, str]]:
    """Run one at a TCP port, and return it with its URL."""
    scanner = ScannerStandIn()
    server = await asyncio.start_server(scanner.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield scanner, f"tcp://127.0.0.1:{port}"
