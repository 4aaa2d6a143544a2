"""What uvicorn leaves to be saved on a connection: writes, tasks, and heads read again.

An answer is made in two parts, its head and its body, and uvicorn writes each when it
is made. To write is to call the kernel, which wakes up who waits for the answer; for a
small answer, that takes longer than all else that the server does for it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final, NamedTuple, cast

from starlette.types import Scope
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

from robosure.platform.http.at_once import AtOnce, Begun, Caller
from robosure.platform.http.express import FAILURE
from robosure.platform.http.repeated import Head

_HELD_BYTES: Final = 64 * 1024
"""So much at most waits to be written; of a long answer the rest is written at once."""
_WHOLE_SECONDS: Final = 0.02
"""So long it is waited for the rest of a request that may be answered at once."""
_WHOLE_BYTES: Final = 64 * 1024
"""And so much is kept of it meanwhile."""


class _Held(NamedTuple):
    """A request that may be answered at once, as soon as it is whole."""

    cycle: RequestResponseCycle
    app: ASGI3Application
    caller: Caller


class _Again(NamedTuple):
    """A request that was answered at once, and the head with which it may come again.

    Nobody but the protocol ever had its cycle, which so serves for the next one too.
    """

    head: Head
    held: _Held


class AnsweringProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, over a transport that gathers what is written.

    A request that may be answered at once is not handed to the application before it is
    whole, or :data:`_WHOLE_SECONDS` have passed, and mostly not at all. If the next one
    on the connection has the same head, that is not even parsed.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._app = cast("ASGI3Application", self.app)  # pyright: ignore[reportUnknownMemberType]  # uvicorn's
        self._at_once: AtOnce | None = getattr(self._app, "at_once", None)
        self._held: _Held | None = None
        self._release_timer: asyncio.TimerHandle | None = None
        self._is_between = True
        self._begun: _Held | None = None
        self._again: _Again | None = None
        self._quiet_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin with a connection."""
        self._gathering = GatheringTransport(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", self._gathering))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and what was held of a request."""
        self._let_go()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what is still held of a request is not held for long."""
        if not self._is_begun_again(data):
            self._parse(data)
        if self._held is None:
            return
        if len(self._held.cycle.body) > _WHOLE_BYTES:
            self._release()
        elif self._release_timer is None:
            self._release_timer = self.loop.call_later(_WHOLE_SECONDS, self._release)

    def on_message_begin(self) -> None:
        """Note that the parser is within a request from now on."""
        self._is_between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Answer what is held, and is whole now."""
        self._is_between = True
        super().on_message_complete()
        if self._held is not None and not self._held.cycle.more_body:
            self._begin_held()

    def on_response_complete(self) -> None:
        """Wait for the next request; a timer that runs already is left alone."""
        self._quiet_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection once nothing came for long enough."""
        seconds = float(self.timeout_keep_alive)
        if self.cycle.response_complete:
            seconds -= self.loop.time() - self._quiet_since
        if seconds <= 0:
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                seconds, self.timeout_keep_alive_handler
            )

    def _parse(self, data: bytes) -> None:
        """Let uvicorn parse what came, and keep the head if that was one request."""
        is_beginning = self._is_between
        self._forget()
        super().data_received(data)
        begun, self._begun = self._begun, None
        if (
            begun is not None
            and begun.cycle is self.cycle
            and begun.cycle.keep_alive
            and self.limit_concurrency is None
            and (is_beginning and self._is_between)
        ):
            head = Head.of(data)
            self._again = None if head is None else _Again(head, begun)

    def _forget(self) -> None:
        self._begun = self._again = None

    def _is_begun_again(self, data: bytes) -> bool:
        """Begin what came if its head is that of the last request, or do nothing."""
        again = self._again
        if again is None or not self.cycle.response_complete or self.flow.write_paused:
            return False
        body = again.head.body_of(data)
        if body is None:
            return False
        cycle = again.held.cycle
        cycle.body = bytearray(body)
        cycle.response_started = cycle.response_complete = False
        self._begin(again.held, body)
        return True

    def _hand_over(self, held: _Held) -> None:
        """Let the application answer."""
        self._forget()
        super()._start_asgi_task(held.cycle, held.app)

    def _start_asgi_task(
        self, cycle: RequestResponseCycle, app: ASGI3Application
    ) -> None:
        caller = self._caller_of(cycle)
        if caller is None:
            super()._start_asgi_task(cycle, app)
            return
        self._held = _Held(cycle, app, caller)
        if not cycle.more_body:  # it has waited for another request's answer
            self._begin_held()

    def _caller_of(self, cycle: RequestResponseCycle) -> Caller | None:
        """Return who asks for what if it may be answered at once.

        None also if its client waits to send it, or reads no answers.
        """
        scope = cast("Scope", cycle.scope)
        if (
            self._at_once is None
            or not self._at_once.may_concern(scope)
            or cycle.waiting_for_100_continue
            or self.flow.write_paused
        ):
            return None
        return self._at_once.caller_of(scope)

    def _let_go(self) -> _Held | None:
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
            self._hand_over(held)

    def _begin_held(self) -> None:
        held = self._let_go()
        if held is not None and self._begin(held, bytes(held.cycle.body)):
            self._begun = held

    def _begin(self, held: _Held, body: bytes) -> bool:
        """Begin what a whole request asks for, or let the application do it."""
        assert self._at_once is not None  # nosec B101 # noqa: S101 - or nothing is held
        begun = self._at_once.begin(held.caller, body)
        if begun is None:
            self._hand_over(held)
            return False
        begun.promise.once.add_done_callback(partial(self._end, held, begun))
        return True

    def _end(self, held: _Held, begun: Begun, once: asyncio.Future[None]) -> None:
        """Answer what was begun; the application says why if it came to nothing."""
        cycle = held.cycle
        if once.cancelled() or once.exception() is not None:
            cast("Scope", cycle.scope)["state"][FAILURE] = begun.promise.failure()
            self._hand_over(held)
            return
        assert self._at_once is not None  # nosec B101 # noqa: S101 - or nothing was begun
        last = not cycle.keep_alive
        answer = self._at_once.answer(begun, cycle.default_headers, last=last)
        cycle.response_started = cycle.response_complete = True
        cycle.body.clear()  # the connection may be quiet for long
        if not cycle.disconnected:
            self._gathering.write_whole(answer)
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

    def write_whole(self, data: bytes) -> None:
        """Write what nothing follows soon, after what is held."""
        if self._held:
            self.write(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Write what is held, and close."""
        self._write_held()
        self._transport.close()

    def _write_held(self) -> None:
        if self._held and not self._transport.is_closing():
            self._transport.write(b"".join(self._held))
        self._held.clear()
        self._size = 0
