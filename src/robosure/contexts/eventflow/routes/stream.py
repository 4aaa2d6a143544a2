"""Events and facts over HTTP as they happen, as server-sent events."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, Any, Final, cast
from uuid import UUID

import orjson
from fastapi import Header, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Message, Send

from robosure.contexts.eventflow.queries.live import (
    Happening,
    LiveFilter,
    LiveQueries,
    Position,
    may_see_facts,
)
from robosure.contexts.eventflow.schemas import EVENT_TYPES, SAMPLE, Name
from robosure.contexts.eventflow.service.feed import Feed, Horizon, feed_of
from robosure.contexts.eventflow.service.storage import longest
from robosure.kernel.errors import Forbidden
from robosure.platform.http import (
    ApiRouter,
    Principal,
    RuntimeDep,
    problems,
    requires,
)
from robosure.platform.logging import LoggerMixin
from robosure.platform.messages import Kind
from robosure.platform.runtime import Runtime

router: Final = ApiRouter(tags=["events"])

_RETRY_MS: Final = 2_000
_LOOK_SECONDS: Final = 0.5
_HEARTBEAT_SECONDS: Final = 15.0
_SEND_SECONDS: Final = 30.0
_MEDIA_TYPE: Final = "text/event-stream"


class EventStream(StreamingResponse, LoggerMixin):
    """A stream that ends when its reader takes nothing for too long."""

    media_type = _MEDIA_TYPE

    # FastAPI reads the status that it documents from the default.
    def __init__(self, content: AsyncGenerator[bytes], status_code: int = 200) -> None:
        # Proxies are told to pass on each event as it comes.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(content, status_code, headers=headers)
        self._content = content

    async def stream_response(self, send: Send) -> None:
        """Send until there is no more, or until nobody takes it."""

        async def patiently(message: Message) -> None:
            async with asyncio.timeout(_SEND_SECONDS):
                await send(message)

        async with aclosing(self._content):
            try:
                await super().stream_response(patiently)
            except TimeoutError:
                self.logger.warning("eventflow.stream.send_abandoned")


class Live(LoggerMixin):
    """One reader's stream: from a position on, for as long as a token lives."""

    def __init__(
        self, runtime: Runtime, feed: Feed, principal: Principal, chosen: LiveFilter
    ) -> None:
        self._runtime = runtime
        self._feed = feed
        self._principal = principal
        self._chosen = chosen

    async def content(self, position: Position | None) -> AsyncGenerator[bytes]:
        """Tell what happens after the position; from now on, if there is none."""
        ends_at = time.monotonic() + self._lifetime()
        beats_at = time.monotonic() + _HEARTBEAT_SECONDS
        seen: Horizon | None = None
        async with self._feed.followed():
            yield format_sse_event(retry=_RETRY_MS, comment="robosure")
            while time.monotonic() < ends_at and not _stopping():
                horizon = await self._feed.beyond(seen, wait=_LOOK_SECONDS)
                if horizon is not None:
                    seen = horizon
                    if position is None:
                        position = Position.after(horizon)
                        yield format_sse_event(id=position.encode())
                    async for chunk, reached in self._until(position, horizon):
                        yield chunk
                        position = reached
                        beats_at = time.monotonic() + _HEARTBEAT_SECONDS
                elif time.monotonic() >= beats_at:
                    beats_at = time.monotonic() + _HEARTBEAT_SECONDS
                    id_ = position.encode() if position else None
                    yield format_sse_event(id=id_, comment="alive")

    def _lifetime(self) -> float:
        return self._runtime.settings.access_token_seconds

    async def _until(
        self, position: Position, horizon: Horizon
    ) -> AsyncGenerator[tuple[bytes, Position]]:
        """Tell what happened up to the horizon."""
        while position.batch <= horizon.batches or position.fact <= horizon.facts:
            if _stopping():
                return
            try:
                async with self._runtime.database.read() as session:
                    queries = LiveQueries(session, self._principal, chosen=self._chosen)
                    happened, position = await queries.since(position, horizon)
            except (SQLAlchemyError, OSError) as error:
                reason = str(error)[:300]
                self.logger.warning("eventflow.stream.read_postponed", reason=reason)
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            # Where nothing was for this reader, it learns that all the same.
            told = b"".join(map(_written, happened))
            yield told + format_sse_event(id=position.encode()), position


_SENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "What happens, until the connection ends.",
        "content": {
            _MEDIA_TYPE: {
                "schema": {"type": "string"},
                "example": "event: ingested\n"
                f'data: {{"type":"{SAMPLE["type"]}","subject":'
                f'"{SAMPLE["subject"]}",...}}\n'
                "id: AAAAAAAABBMAAAAAAAAAAAAAACMAAAAAaaW9-A\n\n",
            }
        },
    }
}


@router.get(
    "/events/stream",
    summary="Follow events",
    response_class=EventStream,
    responses={**_SENT, **problems(422, 503)},
)
async def stream_events(
    *,
    principal: Annotated[Principal, requires("events:read")],
    runtime: RuntimeDep,
    kind: Annotated[
        Kind | None, Query(description="Events, or facts; both by default.")
    ] = None,
    type_: Annotated[Name | None, Query(alias="type")] = None,
    subject: Annotated[UUID | None, Query(description="The robot.")] = None,
    last_event_id: Annotated[
        Name | None,
        Header(description="The last `id` that was received: it goes on after that."),
    ] = None,
) -> EventStream:
    """Answer events as they are processed, and to insurers the facts that are told.

    Each `id` is a place in the store: whoever comes back with the last one in
    `Last-Event-ID` misses nothing and gets nothing twice. A comment comes at least
    every 15 seconds. A stream ends when an access token would; the client connects
    again, as browsers do by themselves.
    """
    if kind == "fact" and not may_see_facts(principal):
        raise Forbidden("permission_required", permission="facts:read")
    feed = feed_of(runtime)
    feed.admit()
    position = None if last_event_id is None else Position.decode(last_event_id)
    if position is not None:
        position.require_kept(await feed.taken(), kept=_kept(runtime))
    live = Live(runtime, feed, principal, LiveFilter(kind, type_, subject))
    return EventStream(live.content(position))


def _kept(runtime: Runtime) -> timedelta:
    """For how long all is kept that a stream tells: batches, and facts."""
    batches = longest([each.retention for each in EVENT_TYPES.values()])
    facts = runtime.settings.facts_retention_days
    return batches if facts is None else min(batches, timedelta(days=facts))


def _written(happening: Happening) -> bytes:
    return format_sse_event(
        event=happening.kind,
        data_str=orjson.dumps(happening.content, option=orjson.OPT_UTC_Z).decode(),
        id=happening.then.encode(),
    )


def _stopping() -> bool:
    """Whether the server was told to stop; it waits for open streams to end.

    uvicorn says so nowhere but in itself, and it is who listens to signals.
    """
    handler = cast("Any", signal.getsignal(signal.SIGTERM))
    return bool(getattr(getattr(handler, "__self__", None), "should_exit", False))
