"""How answers are written to a connection: each in one piece, together with others.

An answer is made in two parts, its head and its body, and uvicorn writes each when it
is made. To write is to call the kernel, which wakes up who waits for the answer; for a
small answer, that takes longer than all else that the server does for it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final, cast

from starlette.types import Scope
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

from robosure.platform.http.at_once import AtOnce, Begun
from robosure.platform.http.express import FAILURE

_HELD_BYTES: Final = 64 * 1024
"""So much at most waits to be written; of a long answer the rest is written at once."""
_WHOLE_SECONDS: Final = 0.02
"""So long it is waited for the rest of a request that may be answered at once."""
_WHOLE_BYTES: Final = 64 * 1024
"""And so much is kept of it meanwhile."""


class AnsweringProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, over a transport that gathers what is written.

    A request that may be answered at once is not handed to the application before it is
    whole, or :data:`_WHOLE_SECONDS` have passed, and mostly not at all.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        app = cast("object", self.app)  # pyright: ignore[reportUnknownMemberType]  # uvicorn's
        self._at_once: AtOnce | None = getattr(app, "at_once", None)
        self._held: tuple[RequestResponseCycle, ASGI3Application] | None = None
        self._release_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin with a connection."""
        gathering = GatheringTransport(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", gathering))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and what was held of a request."""
        self._let_go()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what is still held of a request is not held for long."""
        super().data_received(data)
        if self._held is None:
            return
        cycle, _ = self._held
        if len(cycle.body) > _WHOLE_BYTES:
            self._release()
        elif self._release_timer is None:
            self._release_timer = self.loop.call_later(_WHOLE_SECONDS, self._release)

    def on_message_complete(self) -> None:
        """Answer what is held, and is whole now."""
        super().on_message_complete()
        held = self._held
        if held is not None and not held[0].more_body:
            self._let_go()
            self._begin(*held)

    def _start_asgi_task(
        self, cycle: RequestResponseCycle, app: ASGI3Application
    ) -> None:
        if not self._may_be_answered_at_once(cycle):
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._held = cycle, app
        else:  # it has waited for another request's answer
            self._begin(cycle, app)

    def _may_be_answered_at_once(self, cycle: RequestResponseCycle) -> bool:
        """Whether to hold a request; not if its client waits, or reads no answers."""
        return (
            self._at_once is not None
            and self._at_once.may_concern(cast("Scope", cycle.scope))
            and not cycle.waiting_for_100_continue
            and not self.flow.write_paused
        )

    def _let_go(self) -> tuple[RequestResponseCycle, ASGI3Application] | None:
        """Hold nothing any more; return what was held."""
        if self._release_timer is not None:
            self._release_timer.cancel()
            self._release_timer = None
        held, self._held = self._held, None
        return held

    def _release(self) -> None:
        """Hand what is held to the application."""
        held = self._let_go()
        if held is not None:
            super()._start_asgi_task(*held)

    def _begin(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin what a whole request asks for, or let the application do it."""
        assert self._at_once is not None  # nosec B101 # noqa: S101 - or nothing is held
        begun = self._at_once.begin(cast("Scope", cycle.scope), bytes(cycle.body))
        if begun is None:
            super()._start_asgi_task(cycle, app)
        else:
            begun.promise.once.add_done_callback(partial(self._end, cycle, app, begun))

    def _end(
        self,
        cycle: RequestResponseCycle,
        app: ASGI3Application,
        begun: Begun,
        once: asyncio.Future[None],
    ) -> None:
        """Answer what was begun; the application says why if it came to nothing."""
        if once.cancelled() or once.exception() is not None:
            begun.scope["state"][FAILURE] = begun.promise.failure()
            super()._start_asgi_task(cycle, app)
            return
        assert self._at_once is not None  # nosec B101 # noqa: S101 - or nothing was begun
        last = not cycle.keep_alive
        answer = self._at_once.answer(begun, cycle.default_headers, last=last)
        cycle.response_started = cycle.response_complete = True
        if not cycle.disconnected:
            self.transport.write(answer)
            if last:
                self.transport.close()
        cycle.on_response()


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
