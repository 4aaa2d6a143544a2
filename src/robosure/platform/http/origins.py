"""Pages of other origins: which may ask from a browser, and who tried in vain."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from fastapi.middleware.cors import CORSMiddleware
from starlette.types import Message, Receive, Scope, Send

from robosure.platform.http.refusals import note_refused_input

ORIGIN_REFUSED: Final = "origin_refused"
_ASKED: Final = b"access-control-request-method"


class Origins(CORSMiddleware):
    """Answers browsers' questions beforehand, and notes those that are refused."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or answer what a browser asks before it sends one."""
        if scope["type"] != "http" or not _asks_beforehand(scope):
            await super().__call__(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            if message.get("status") == HTTPStatus.BAD_REQUEST:
                note_refused_input(scope, ORIGIN_REFUSED)
            await send(message)

        await super().__call__(scope, receive, noting)


def _asks_beforehand(scope: Scope) -> bool:
    asked = any(name == _ASKED for name, _ in scope["headers"])
    return asked and scope["method"] == "OPTIONS"
