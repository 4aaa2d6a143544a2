"""The tests' application as processes of their own, to be killed; each has a successor.

A request says in a header of its own at which moment of its transaction the process is
to stand still; nothing in it goes on then until it is killed. Each says on standard
output what happens.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from contextvars import ContextVar
from typing import Any, Final

import orjson
import uvicorn
from sqlalchemy import event
from sqlalchemy.engine import Engine
from starlette.types import ASGIApp, Receive, Scope, Send

from robosure.platform.database.session import TellingSession
from robosure.platform.runtime import open_runtime
from robosure.platform.settings import Settings
from tests.integration.platform.testing.app import an_app

HEADER: Final = "Stand-Still"
_STATEMENTS: Final = {
    "effect": "INSERT INTO testing.effects",
    "record": "INSERT INTO platform.idempotency_keys",
}
_moment: ContextVar[str] = ContextVar("moment", default="")


class Standing:
    """Stands still where a request says so: ``after_effect``, ``before_commit``, ..."""

    def __init__(self, app: ASGIApp, engine: Engine, *, slot: int, voice: int) -> None:
        self._app = app
        self._slot = slot
        self._voice = voice
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)
        event.listen(engine, "commit", lambda _: self._reached("before_commit"))
        event.listen(
            TellingSession, "after_commit", lambda _: self._reached("after_commit")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        _moment.set(headers.get(HEADER.lower().encode(), b"").decode())
        await self._app(scope, receive, send)

    def _before(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self._stated("before", statement)

    def _after(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self._stated("after", statement)

    def _stated(self, when: str, statement: str) -> None:
        for what, beginning in _STATEMENTS.items():
            if statement.startswith(beginning):
                self._reached(f"{when}_{what}")

    def _reached(self, moment: str) -> None:
        if _moment.get() == moment:
            tell(self._voice, "standing", self._slot, os.getpid())
            while True:
                signal.pause()


def tell(voice: int, what: str, slot: int, number: int) -> None:
    os.write(voice, orjson.dumps([what, slot, number]) + b"\n")


async def serve(listener: socket.socket, slot: int, voice: int) -> None:
    """Serve requests until killed."""
    async with open_runtime(Settings(_env_file=None)) as runtime:
        engine = runtime.database.engine.sync_engine
        app = Standing(an_app(runtime), engine, slot=slot, voice=voice)
        config = uvicorn.Config(app, log_level="warning", lifespan="off")
        await uvicorn.Server(config).serve(sockets=[listener])


def end_with_the_tests() -> None:
    """Kill all of them when whoever started them is gone."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Keep so many processes alive, each with a port that outlives it."""
    threading.Thread(target=end_with_the_tests, daemon=True).start()
    voice = os.dup(1)
    os.dup2(2, 1)  # what is logged is not told
    listeners = [
        socket.create_server(("127.0.0.1", 0), backlog=100)
        for _ in range(int(sys.argv[1]))
    ]
    for slot, listener in enumerate(listeners):
        tell(voice, "listening", slot, listener.getsockname()[1])
    slots: dict[int, int] = {}
    waiting = list(range(len(listeners)))
    while True:
        for slot in waiting:
            child = os.fork()
            if child == 0:
                asyncio.run(serve(listeners[slot], slot, voice))
                os._exit(0)
            slots[child] = slot
            tell(voice, "born", slot, child)
        died, _ = os.waitpid(-1, 0)
        waiting = [slots.pop(died)]


if __name__ == "__main__":
    main()
