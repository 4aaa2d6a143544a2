"""A connection that can be cut: a server that is away, for tests."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Gate:
    """Passes TCP connections on to a server, until it is shut.

    ``swallow`` lets what is asked through and holds back every answer.
    """

    def __init__(self, host: str, target_port: int, *, port: int = 0) -> None:
        self._target = host, target_port
        self.port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.swallow = False

    async def open(self) -> None:
        self.swallow = False
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Cut every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(back)
        try:
            await asyncio.gather(
                self._pass(reader, back, answers=False),
                self._pass(there, writer, answers=True),
            )
        finally:
            self._writers -= {writer, back}

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with suppress(OSError):
            while content := await source.read(65536):
                if not (answers and self.swallow):
                    sink.write(content)
                    await sink.drain()
        sink.transport.abort()
