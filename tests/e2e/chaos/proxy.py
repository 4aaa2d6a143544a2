"""A network to cut: a TCP proxy that refuses, stalls, or breaks off in the middle."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from random import Random
from typing import Final, cast

_CHUNK: Final = 65_536
_LOOPBACK: Final = "127.0.0.1"
_RESET: Final = struct.pack("ii", 1, 0)
_LONGEST_PART: Final = 2_000


class Trouble(StrEnum):
    """What a network does to its connections.

    ``refuse`` resets those there are and takes no new ones; ``stall`` keeps all and
    moves nothing; ``cut`` resets each after a few more bytes, in mid-word.
    """

    REFUSE = "refuse"
    STALL = "stall"
    CUT = "cut"


class Proxy:
    """Stands between clients and one server, on a port of its own."""

    def __init__(self, port: int, chance: Random) -> None:
        """Prepare.

        Args:
            port: of the server, on loopback.
            chance: decides where a connection is cut.
        """
        self.port = 0
        self._server_port = port
        self._chance = chance
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cutting = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        """Listen for as long as the context lasts."""
        await self._listen()
        try:
            yield self
        finally:
            await self._refuse()
            self._flowing.set()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def in_trouble(self, trouble: Trouble) -> AsyncIterator[None]:
        """Trouble the connections for as long as the context lasts."""
        match trouble:
            case Trouble.REFUSE:
                await self._refuse()
            case Trouble.STALL:
                self._flowing.clear()
            case Trouble.CUT:
                self._cutting = True
        try:
            yield
        finally:
            self._cutting = False
            self._flowing.set()
            if trouble is Trouble.REFUSE:
                await self._listen()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(
            self._accept, _LOOPBACK, self.port, reuse_address=True
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for writer in list(self._writers):
            _reset(writer)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            there, back = await asyncio.open_connection(_LOOPBACK, self._server_port)
        except OSError:
            _reset(writer)
            self._writers.discard(writer)
            return
        self._writers.add(back)
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pump(reader, back))
                directions.create_task(self._pump(there, writer))
        except* (OSError, EOFError):
            pass
        finally:
            for each in (writer, back):
                _reset(each)
                self._writers.discard(each)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._flowing.wait()
            if self._cutting:
                writer.write(chunk[: self._chance.randrange(_LONGEST_PART)])
                with suppress(OSError):
                    await writer.drain()
                raise ConnectionResetError
            writer.write(chunk)
            await writer.drain()
        # Either side's end is the connection's: nobody here half-closes.
        raise EOFError


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a broken network does, without a goodbye."""
    sock = cast("socket.socket | None", writer.get_extra_info("socket"))
    with suppress(OSError):
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
