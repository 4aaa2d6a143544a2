"""How answers are written to a connection: each in one piece, together with others.

An answer is made in two parts, its head and its body, and uvicorn writes each when it
is made. To write is to call the kernel, which wakes up who waits for the answer; for a
small answer, that takes longer than all else that the server does for it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HELD_BYTES: Final = 64 * 1024
"""So much at most waits to be written; of a long answer the rest is written at once."""


class AnsweringProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, over a transport that gathers what is written."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin with a connection."""
        gathering = GatheringTransport(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", gathering))


class GatheringTransport:
    """Writes what was handed to it once the tasks that could run now have done so."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        """Return what is the transport's."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold it, but not much, and not for long."""
        if not self._held:
            self._loop.call_soon(self._write_held)
        self._held.append(data)
        self._size += len(data)
        if self._size > _HELD_BYTES:
            self._write_held()

    def close(self) -> None:
        """Write what is held, and close."""
        self._write_held()
        self._transport.close()

    def _write_held(self) -> None:
        if self._held and not self._transport.is_closing():
            self._transport.write(b"".join(self._held))
        self._held.clear()
        self._size = 0
