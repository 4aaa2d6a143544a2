"""Requests over a real connection, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI

from robosure.platform.http.answering import AnsweringProtocol


@asynccontextmanager
async def listening(app: FastAPI, *, timeout_keep_alive: int = 5) -> AsyncIterator[int]:
    config = uvicorn.Config(
        app,
        port=0,
        http=AnsweringProtocol,
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        timeout_keep_alive=timeout_keep_alive,
    )
    server = uvicorn.Server(config)
    serving_ = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has nothing to wait for
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving_


async def answered(
    port: int, head: str, pieces: AsyncIterator[bytes]
) -> tuple[int, bytes, int]:
    """Send a request piece by piece until the server hangs up.

    Returns:
        The answer's status, all of it, and how many bytes were sent.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode())
    sent = 0

    async def send() -> None:
        nonlocal sent
        async for piece in pieces:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    sending = asyncio.create_task(send())
    answer = b""
    try:
        # Who goes on sending to a server that hung up is reset, the answer in hand.
        async with asyncio.timeout(20):
            with suppress(ConnectionResetError):
                while piece := await reader.read(65_536):
                    answer += piece
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
    return int(answer.split(b" ")[1]), answer, sent
