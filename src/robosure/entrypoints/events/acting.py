"""Acting as an administrator, and printing what comes of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from rich.console import Console

from robosure.entrypoints.client.api import Caller
from robosure.entrypoints.client.errors import ClientError, RefusedError
from robosure.entrypoints.client.server import Server, running_here

T = TypeVar("T")
Json = dict[str, Any]


def acting(server: Server | None, act: Callable[[Caller], Awaitable[T]]) -> T:
    """Sign in, act, and return what came of it.

    Args:
        server: where; by default the stack that runs here.
        act: what to do.

    Raises:
        ClientError: the server is not there or refuses; in a line.
    """
    return asyncio.run(_acting(server or running_here(), act))


async def _acting(server: Server, act: Callable[[Caller], Awaitable[T]]) -> T:
    await server.require_answer()
    async with server.api() as api:
        try:
            return await act(await api.sign_in(server.email, server.password))
        except RefusedError as refused:
            raise ClientError(refused.reason) from refused


async def all_of(
    caller: Caller, path: str, *, limit: int, **asked: str | None
) -> list[Json]:
    """Return the first items of a list, page by page."""
    given = {name: value for name, value in asked.items() if value is not None}
    items: list[Json] = []
    cursor: dict[str, str] = {}
    while len(items) < limit:
        size = str(min(200, limit - len(items)))
        page = await caller.get(path, limit=size, **given, **cursor)
        items += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    return items


def print_json(document: Any) -> None:
    """Print one JSON object."""
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def console() -> Console:
    """Return what people read on."""
    return Console(highlight=False)
