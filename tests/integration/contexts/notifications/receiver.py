"""A receiver of webhooks: a real HTTP server, and what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: str = "ok"
    headers: dict[str, str] = field(default_factory=dict)


Behaviour = Callable[[Request], Awaitable[Answer]]


@dataclass
class Receiver:
    """Remembers what it is sent, and answers as ``behaviour`` says, or ``answer``."""

    answer: Answer = field(default_factory=Answer)
    behaviour: Behaviour | None = None
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    most_at_once: int = 0
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    def connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        serving = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        self.most_at_once = max(self.most_at_once, len(self._serving))

    async def close(self) -> None:
        serving = list(self._serving)
        for each in serving:
            each.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            request = await _read(reader)
            self.requests.append(request)
            answer = self.answer
            if self.behaviour is not None:
                answer = await self.behaviour(request)
            writer.write(_written(answer))
            await writer.drain()
        except ConnectionError:
            pass  # the sender is gone
        finally:
            writer.close()


@asynccontextmanager
async def listening(
    host: str = "127.0.0.1", port: int = 0, *, tls: SSLContext | None = None
) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.connected, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await receiver.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(head[0].split(" ")[1], headers, body)


def _written(answer: Answer) -> bytes:
    body = answer.body.encode()
    headers = {"Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {answer.status} As Told"]
    lines += [f"{name}: {value}" for name, value in (headers | answer.headers).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
