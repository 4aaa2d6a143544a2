"""A request's body, read up to its limits, whoever sends it."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from starlette.types import Message, Receive

T = TypeVar("T")


@dataclass(frozen=True)
class Refusal:
    """Why a body is not read."""

    status: int
    code: str
    detail: str
    context: Mapping[str, object]


class CutOffError(Exception):
    """Ends whatever waits for more of a body that is refused."""


class Body:
    """A body, read up to its limits: by what it declares, and by what arrives, when.

    Attributes:
        is_whole: whether all of it has arrived.
        refusal: why it is not read any further; None as long as it is.
    """

    def __init__(
        self,
        receive: Receive,
        headers: dict[bytes, bytes],
        *,
        max_bytes: int,
        seconds: float,
    ) -> None:
        """Read what ``receive`` brings, in so many seconds from now."""
        declared = headers.get(b"content-length", b"")
        self._receive = receive
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds
        self._taken = 0
        self.is_whole = False
        self.refusal: Refusal | None = None
        if declared.isdigit() and int(declared[:20]) > max_bytes:
            self._too_large()

    async def __call__(self) -> Message:
        """Return the next message.

        Raises:
            CutOffError: there is more than is taken, or it takes too long.
        """
        if self.is_whole:  # and what is waited for now is that the client goes
            return await self._receive()
        # Mostly it is there already, and then there is no need for a clock.
        asked = cast("Coroutine[Any, Any, Message]", self._receive())
        try:
            waits_for = asked.send(None)
        except StopIteration as answer:
            message: Message = answer.value
        else:
            message = await self._waited(_resumed(asked, waits_for))
        self._taken += len(message.get("body", b""))
        self.is_whole = not message.get("more_body", False)
        if self._taken > self._max_bytes:
            self._too_large()
            raise CutOffError
        return message

    async def _waited(self, message: Awaitable[Message]) -> Message:
        """Wait for a message until the body's time is over."""
        try:
            async with asyncio.timeout_at(self._until):
                return await message
        except TimeoutError as error:
            self.refusal = Refusal(
                408, "body_too_slow",
                f"a body may take at most {self._seconds:g} seconds",
                {"limit_seconds": f"{self._seconds:g}"},
            )  # fmt: skip
            raise CutOffError from error

    def _too_large(self) -> None:
        self.refusal = Refusal(
            413, "body_too_large",
            f"a body may have at most {self._max_bytes} bytes",
            {"limit_bytes": self._max_bytes},
        )  # fmt: skip


@types.coroutine
def _resumed(
    begun: Coroutine[Any, Any, T], waits_for: object
) -> Generator[Any, Any, T]:
    """Await what has begun, and waits for something."""
    try:
        yield waits_for
        return (yield from begun.__await__())
    finally:
        begun.close()
