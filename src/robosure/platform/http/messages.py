"""Messages over HTTP: described, for routes to show, and as the AsyncAPI document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request

from robosure.platform.asyncapi import asyncapi
from robosure.platform.http.access import signed_in
from robosure.platform.messages import Message
from robosure.platform.settings import Settings

ASYNCAPI_PATH: Final = "/asyncapi.json"
# Who is signed in may read it: it says where the servers are.
_router = APIRouter(include_in_schema=False, dependencies=[signed_in()])


def install_messages(
    app: FastAPI, messages: Callable[[], Sequence[Message]], *, settings: Settings
) -> None:
    """Let routes have the messages, and serve the AsyncAPI document.

    Args:
        app: to which they are added.
        messages: describes them; asked once, when they are first needed.
        settings: say where the servers are.
    """

    @cache
    def document() -> dict[str, Any]:
        return asyncapi(
            app.state.messages(),
            title=app.title,
            version=app.version,
            settings=settings,
        )

    app.state.messages = cache(messages)
    app.state.asyncapi = document
    app.include_router(_router)


def _messages(request: Request) -> Sequence[Message]:
    messages: Sequence[Message] = request.app.state.messages()
    return messages


def _document(request: Request) -> dict[str, Any]:
    document: dict[str, Any] = request.app.state.asyncapi()
    return document


MessagesDep = Annotated[Sequence[Message], Depends(_messages)]
AsyncApiDep = Annotated[dict[str, Any], Depends(_document)]


@_router.get(ASYNCAPI_PATH)
async def read_asyncapi(document: AsyncApiDep) -> dict[str, Any]:
    """Answer the AsyncAPI document, as ``/openapi.json`` does the OpenAPI one."""
    return document
