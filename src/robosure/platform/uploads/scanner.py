"""Asks ClamAV's daemon about a file, in the words of its ``INSTREAM`` command.

The client is our own because it is short: those that are maintained block, speak no
Unix sockets, or are under a licence that does not go with ours (ADR 0032).
"""

from __future__ import annotations

import asyncio
import re
import struct
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from robosure.kernel.errors import Unavailable
from robosure.platform.logging import get_logger
from robosure.platform.settings import Settings

_PIECE: Final = 65_536
_LONGEST_ANSWER: Final = 4_096
_PATIENCE_FOR_A_SIGN: Final = 2.0
_FOUND: Final = re.compile(r"stream: (?P<signature>.+) FOUND")


@dataclass(frozen=True)
class Scanner:
    """A daemon at ``tcp://host:port`` or ``unix:///path``.

    Attributes:
        timeout_seconds: how long one file may take, from connecting to the answer.
    """

    url: str
    timeout_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> Scanner | None:
        """Make the one that settings name; None if files are not scanned."""
        if settings.scanner_url is None:
            return None
        return cls(settings.scanner_url, settings.clamav_timeout_seconds)

    async def signature_in(self, content: bytes) -> str | None:
        """Return the name of what was found in a file; None if nothing was.

        Raises:
            Unavailable: ``scanner_unavailable`` if it is not there, takes too long, or
                answers anything else than that it did scan the file.
        """
        try:
            async with asyncio.timeout(self.timeout_seconds):
                answer = await self._asked(b"zINSTREAM\0", content)
        except (OSError, EOFError, ValueError) as error:
            raise self._away(repr(error)) from error
        if answer == "stream: OK":
            return None
        if found := _FOUND.fullmatch(answer):
            return found["signature"]
        raise self._away(answer)

    async def is_there(self) -> bool:
        """Say whether it answers, within two seconds."""
        try:
            async with asyncio.timeout(_PATIENCE_FOR_A_SIGN):
                return await self._asked(b"zPING\0") == "PONG"
        except (OSError, EOFError, ValueError):
            return False

    async def _asked(self, command: bytes, content: bytes | None = None) -> str:
        reader, writer = await self._connected()
        try:
            writer.write(command)
            if content is not None:
                await _send(writer, content)
            answer = await reader.readuntil(b"\0")
        except asyncio.LimitOverrunError as error:
            raise ValueError("an answer without an end") from error
        finally:
            writer.transport.abort()  # it was answered or given up: nothing to wait for
        return answer[:-1].decode("utf-8", "replace").strip()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        where = urlsplit(self.url)
        if where.scheme == "unix":
            return await asyncio.open_unix_connection(where.path, limit=_LONGEST_ANSWER)
        return await asyncio.open_connection(
            where.hostname, where.port, limit=_LONGEST_ANSWER
        )

    def _away(self, reason: str) -> Unavailable:
        get_logger().error("platform.uploads.scanner_away", reason=reason[:200])
        return Unavailable("scanner_unavailable")


async def _send(writer: asyncio.StreamWriter, content: bytes) -> None:
    """Send a file in pieces, each after its length, and a length of nothing."""
    view = memoryview(content)
    for start in range(0, len(view), _PIECE):
        piece = view[start : start + _PIECE]
        writer.write(struct.pack(">I", len(piece)))
        writer.write(piece)
        await writer.drain()
    writer.write(struct.pack(">I", 0))
    await writer.drain()
