"""Requests that are answered at once: as the ordinary way would, or by it."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Final, NamedTuple

import pytest
from fastapi import FastAPI, Request
from structlog.testing import capture_logs

from robosure.kernel.errors import Invalid, Unavailable
from robosure.platform import tracing
from robosure.platform.http import (
    ApiRouter,
    Asked,
    OutputModel,
    Principal,
    Promise,
    answering,
    at_once,
    express,
    requires,
)
from robosure.platform.http.access import authenticate
from robosure.platform.http.answering import AnsweringProtocol
from robosure.platform.http.app import build_app
from robosure.platform.http.edge import Edge
from robosure.platform.metrics import exposition
from robosure.platform.runtime import Runtime
from robosure.platform.security.keys import REMEMBERED
from tests.integration.platform.testing.app import an_app
from tests.support import ApiClient, FixedClock
from tests.wire import listening

KEY: Final = "a-key"
HEADS: Final = pytest.mark.parametrize("head", ["new", "known"])
"""Whether a connection's first request had the same head."""


class Said(OutputModel):
    way: str
    size: int


@dataclass
class Endpoint:
    """Says which way a request took.

    Attributes:
        pending: what was begun at once and is not done, if nothing is done by itself.
    """

    holds: bool = False
    pending: list[asyncio.Future[None]] = field(
        default_factory=list[asyncio.Future[None]]
    )

    def begin(self, asked: Asked) -> Promise | None:
        if asked.body == b"not plain":
            return None
        if asked.body == b"wrong":
            raise Invalid("said_wrong")
        if asked.body == b"broken":
            raise RuntimeError("canary")
        once: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.holds:
            self.pending.append(once)
        else:
            once.set_result(None)
        answer = Said(way="at once", size=len(asked.body))
        return Promise(
            answer.model_dump_json().encode(), once, lambda: Unavailable("said_away")
        )

    def router(self) -> ApiRouter:
        router = ApiRouter(tags=["testing"])

        @router.post("/say", status_code=202)
        @at_once(self.begin)
        @express
        async def say(
            *,
            request: Request,
            _: Annotated[Principal, requires("carts:write")],
        ) -> Said:
            """Say what came."""
            return Said(way="ordinary", size=len(await request.body()))

        return router


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str

    @property
    def way(self) -> str:
        assert self.status == 202, self
        return "at once" if '"way":"at once"' in self.body else "ordinary"


class Client:
    """A connection, and what is said on it."""

    def __init__(
        self, stage: Stage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.stage = stage
        self.reader = reader
        self.writer = writer

    async def post(
        self, body: bytes = b"hello", *, path: str = "/api/v1/say", **headers: str
    ) -> Answer:
        self.writer.write(written(body, path=path, **headers))
        return await self.answer()

    async def answer(self) -> Answer:
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.strip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split(" ")[1]), headers, body.decode())


def written(body: bytes, *, path: str = "/api/v1/say", **headers: str) -> bytes:
    told = {"Host": "robosure.test", "X-API-Key": KEY} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return (
        f"POST {path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@dataclass
class Stage:
    app: FastAPI
    port: int
    endpoint: Endpoint

    @property
    def edge(self) -> Edge:
        edge: Edge = self.app.state.edge
        return edge

    def remember(self, role: str = "underwriter") -> None:
        """Make the key one that was proven just now, and is used for a while."""
        now = self.edge.runtime.clock.now()
        principal = ApiClient(self.app).principal(role)
        self.edge.remembered_keys.remember(KEY, principal, now=now)

    @asynccontextmanager
    async def client(self, *, head: str = "new") -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        client = Client(self, reader, writer)
        if head == "known":
            assert (await client.post(b"first")).way == "at once"
        yield client
        writer.close()


@asynccontextmanager
async def a_stage(
    runtime: Runtime, *, timeout_keep_alive: int = 5, **settings: Any
) -> AsyncIterator[Stage]:
    endpoint = Endpoint()
    limits = {"rate_limit_telemetry": 0, "rate_limit_write": 0, "max_body_bytes": 1_000}
    chosen = runtime.settings.model_copy(update=limits | settings)

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = build_app(
        [endpoint.router()],
        lifespan=live,
        title="Testing",
        version="1",
        description="",
        settings=chosen,
    )
    app.state.edge = an_app(runtime, settings=chosen).state.edge
    async with listening(app, timeout_keep_alive=timeout_keep_alive) as port:
        stage = Stage(app, port, endpoint)
        stage.remember()
        yield stage


@asynccontextmanager
async def served(
    runtime: Runtime, *, head: str = "new", **settings: Any
) -> AsyncIterator[Client]:
    async with (
        a_stage(runtime, **settings) as stage,
        stage.client(head=head) as client,
    ):
        yield client


async def test_what_is_plain_is_answered_at_once_just_as_the_ordinary_way_would(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with (
        a_stage(runtime, rate_limit_write=1_000) as stage,
        stage.client() as client,
    ):
        # given that the key's share of the limit is there
        await client.post(b"not plain")
        # when the same comes as it is, and with what is not looked at here
        first = await client.post(X_Request_ID="mine-1")
        second = await client.post(X_Request_ID="mine-1", Idempotency_Key="k")
    assert [first.way, second.way] == ["at once", "ordinary"]
    # then both answers are alike, to the last header, and each was counted once
    assert remaining(first) - remaining(second) == 1
    told = [
        {k: v for k, v in each.headers.items() if k not in {"date", "ratelimit"}}
        for each in (first, second)
    ]
    told[1]["content-length"] = told[0]["content-length"]
    assert told[0] == told[1]
    assert first.headers["x-request-id"] == "mine-1"


async def test_each_answer_is_counted_among_the_routes(
    runtime: Runtime, clock: FixedClock
) -> None:
    def counted() -> float:
        name = (
            'http_request_duration_seconds_count{endpoint="/api/v1/say",'
            'method="POST",status="202"} '
        )
        found = [x for x in exposition().decode().split("\n") if x.startswith(name)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    before = counted()
    async with served(runtime) as client:
        ways = [(await client.post()).way for _ in range(3)]
    assert ways == ["at once"] * 3
    assert counted() - before == 3


UNCOMMON: dict[str, dict[str, Any]] = {
    "a token": {"Authorization": "Bearer x"},
    "a page of another origin": {"Origin": "https://example.com"},
    "a key against repeats": {"Idempotency_Key": "one"},
    "a query": {"path": "/api/v1/say?x=1"},
    "what its route takes for not plain": {"body": b"not plain"},
    "what its route takes for wrong": {"body": b"wrong"},
}


@pytest.mark.parametrize("name", UNCOMMON)
async def test_what_is_not_plain_takes_the_ordinary_way(
    runtime: Runtime, clock: FixedClock, name: str
) -> None:
    async with served(runtime) as client:
        answer = await client.post(**UNCOMMON[name])
        if name == "a token":  # which is looked at first, and proves nothing
            assert answer.status == 401
        else:
            assert answer.way == "ordinary"
        assert (await client.post()).way == "at once"


async def test_a_fault_of_the_short_way_is_logged_and_the_ordinary_way_taken(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with served(runtime) as client:
        with capture_logs() as logs:
            assert (await client.post(b"broken")).way == "ordinary"
    assert [x["event"] for x in logs if x["log_level"] == "error"] == [
        "platform.http.at_once_failed"
    ]


async def test_a_key_that_is_not_remembered_or_may_not_has_to_be_proven(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with served(runtime) as client:
        assert (await client.post(X_API_Key="another")).status == 401
        assert (await client.post()).way == "at once"
        client.stage.remember("adjuster")
        assert (await client.post()).status == 401
        client.stage.remember()
        assert (await client.post()).way == "at once"
        clock.advance(REMEMBERED)
        assert (await client.post()).status == 401


async def test_of_those_that_come_while_a_key_is_to_be_renewed_one_goes_to_do_it(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with served(runtime) as client:
        # given a key that will be forgotten soon
        clock.advance(REMEMBERED - timedelta(seconds=0.5))
        # then one request has it proven again (which nobody can here), and others
        # are served meanwhile
        assert (await client.post()).status == 401
        assert (await client.post()).way == "at once"


async def test_who_has_had_their_share_is_refused_as_ever(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with served(runtime, rate_limit_write=3) as client:
        answers = [await client.post() for _ in range(4)]
    assert [each.status for each in answers] == [202, 202, 202, 429]


async def test_a_body_that_is_too_large_is_refused_as_ever(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with served(runtime) as client:
        assert (await client.post(b"x" * 1_001)).status == 413


async def test_in_production_what_comes_in_the_clear_or_to_another_name_is_refused(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with (
        a_stage(runtime, environment="production") as stage,
        stage.client() as client,
    ):
        assert (await client.post()).status == 403
    async with (
        a_stage(runtime, allowed_hosts=("robosure.test",)) as stage,
        stage.client() as client,
    ):
        assert (await client.post()).way == "at once"
        assert (await client.post(Host="example.com")).status == 421


async def test_what_is_traced_or_overridden_takes_the_ordinary_way(
    runtime: Runtime, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(runtime) as client:
        with monkeypatch.context() as patch:
            patch.setattr(tracing, "is_on", lambda: True)
            assert (await client.post()).way == "ordinary"
        principal = ApiClient(client.stage.app).principal("underwriter")
        client.stage.app.dependency_overrides[authenticate] = lambda: principal
        assert (await client.post()).way == "ordinary"


async def test_what_comes_in_pieces_is_waited_for_but_not_for_long(
    runtime: Runtime, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = written(b"0123456789")
    async with (
        a_stage(runtime, max_body_bytes=1_000_000) as stage,
        stage.client() as client,
    ):
        # given a request of which the end comes in time
        monkeypatch.setattr(answering, "_WHOLE_SECONDS", 10)
        client.writer.write(request[:-5])
        await asyncio.sleep(0.01)
        client.writer.write(request[-5:])
        assert (await client.answer()).way == "at once"
        # or much before it
        large = written(b"x" * 500_000)
        client.writer.write(large[:400_000])
        await asyncio.sleep(0.01)
        client.writer.write(large[400_000:])
        answer = await client.answer()
        assert (answer.way, '"size":500000' in answer.body) == ("ordinary", True)
        # or too late
        monkeypatch.setattr(answering, "_WHOLE_SECONDS", 0.01)
        client.writer.write(request[:-5])
        await asyncio.sleep(0.1)
        client.writer.write(request[-5:])
        assert (await client.answer()).way == "ordinary"
        assert (await client.post()).way == "at once"


async def test_who_asks_whether_to_send_a_body_is_told_to(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with served(runtime) as client:
        request = written(b"hello", Expect="100-continue")
        client.writer.write(request[:-5])
        told = await client.reader.readuntil(b"\r\n\r\n")
        assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.writer.write(request[-5:])
        assert (await client.answer()).way == "ordinary"


@pytest.mark.parametrize("pause", [0, 0.01])
@HEADS
async def test_requests_sent_ahead_are_answered_in_their_order(
    runtime: Runtime, clock: FixedClock, head: str, pause: float
) -> None:
    async with served(runtime, head=head) as client:
        client.stage.endpoint.holds = True
        bodies = [b"1", b"not plain", b"333", b"4444"]
        for body in bodies:
            client.writer.write(written(body))
            await asyncio.sleep(pause)  # so that all come in one piece, or each alone
        answers: list[Answer] = []
        for body in bodies:
            if body != b"not plain":
                await until(lambda: bool(client.stage.endpoint.pending))
                # none of the later is begun before this one is answered
                (once,) = client.stage.endpoint.pending
                client.stage.endpoint.pending.clear()
                once.set_result(None)
            answers.append(await client.answer())
    assert [each.way for each in answers] == [
        "at once", "ordinary", "at once", "at once",
    ]  # fmt: skip
    for body, answer in zip(bodies, answers, strict=True):
        assert f'"size":{len(body)}' in answer.body


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
async def test_what_comes_to_nothing_is_told_and_not_tried_again(
    runtime: Runtime, clock: FixedClock, end: str
) -> None:
    async with served(runtime) as client:
        client.stage.endpoint.holds = True
        for _head in ("new", "known"):
            client.writer.write(written(b"hello", X_Request_ID="mine"))
            await until(lambda: bool(client.stage.endpoint.pending))
            once = client.stage.endpoint.pending.pop()
            if end == "fails":
                once.set_exception(RuntimeError("away"))
            else:
                once.cancel()
            answer = await client.answer()
            assert (answer.status, '"code":"said_away"' in answer.body) == (503, True)
            assert answer.headers["x-request-id"] == "mine"
        client.stage.endpoint.holds = False
        assert (await client.post()).way == "at once"


@HEADS
async def test_a_client_that_has_gone_is_nobodys_trouble(
    runtime: Runtime, clock: FixedClock, head: str
) -> None:
    async with a_stage(runtime) as stage:
        with capture_logs() as logs:
            async with stage.client(head=head) as client:
                stage.endpoint.holds = True
                client.writer.write(written(b"hello"))
                await until(lambda: bool(stage.endpoint.pending))
            async with stage.client() as client:
                client.writer.write(written(b"hello")[:-2])
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)
            stage.endpoint.pending.pop().set_result(None)
            await asyncio.sleep(0.05)
        assert logs == []
        stage.endpoint.holds = False
        async with stage.client() as client:
            assert (await client.post()).way == "at once"


async def test_a_head_that_comes_again_is_not_parsed_and_says_the_same(
    runtime: Runtime, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[AnsweringProtocol] = []
    begin = AnsweringProtocol.on_message_begin

    def on_message_begin(self: AnsweringProtocol) -> None:
        parsed.append(self)
        begin(self)

    monkeypatch.setattr(AnsweringProtocol, "on_message_begin", on_message_begin)
    async with served(runtime, rate_limit_write=1_000) as client:
        await client.post(b"not plain")  # so that shares of limits are there
        sizes = (9, 10, 11)
        answers = [await client.post(b"x" * size) for size in sizes]
        # given that this came once, then it was parsed once
        assert len(parsed) == 2
        assert parsed[-1].cycle.body == b""  # of which nothing is kept
        first, *others = [each.headers for each in answers]
        for other in others:
            assert other.keys() == first.keys()
            own = {"content-length", "date", "ratelimit", "x-request-id"}
            assert {k for k in other if other[k] != first[k]} <= own
        # and each was answered for itself
        assert len({each.headers["x-request-id"] for each in answers}) == 3
        left = [remaining(each) for each in answers]
        assert left == [left[0], left[0] - 1, left[0] - 2]
        for size, each in zip(sizes, answers, strict=True):
            assert f'"size":{size}' in each.body
        # when it is not plain, or not whole, it takes the ordinary way as ever
        assert (await client.post(b"not plain")).way == "ordinary"
        client.writer.write(written(b"01234")[:-2])
        await asyncio.sleep(0.1)
        client.writer.write(b"34")
        assert (await client.answer()).way == "ordinary"
        # and other heads are parsed
        before = len(parsed)
        await client.post(X_Request_ID="mine")
        assert len(parsed) == before + 1


async def test_what_a_body_holds_is_never_taken_for_a_head(
    runtime: Runtime, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_WHOLE_SECONDS", 10)
    async with a_stage(runtime, max_body_bytes=10_000) as stage:
        async with stage.client() as client:
            # given a body that ends with what looks like a request, as a piece
            looks = written(b"hello", X_API_Key="another")
            request = written(b"x" * 10 + looks)
            client.writer.write(request[: -len(looks)])
            await asyncio.sleep(0.01)
            client.writer.write(looks)
            assert (await client.answer()).way == "at once"
            # when just that comes as a request, then it is one of its own
            client.writer.write(looks)
            assert (await client.answer()).status == 401
        async with stage.client() as client:
            # also where the body's end came with another request
            again = written(looks + written(b"hello"))
            client.writer.write(again[:-20])
            await asyncio.sleep(0.01)
            client.writer.write(again[-20:] + written(b"hello"))
            assert (await client.answer()).way == "at once"
            assert '"size":5' in (await client.answer()).body
            client.writer.write(looks)
            assert (await client.answer()).status == 401


async def test_nothing_is_left_of_a_connection_that_broke(
    runtime: Runtime, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[tuple[AnsweringProtocol, Exception | None]] = []
    lose = AnsweringProtocol.connection_lost

    def connection_lost(self: AnsweringProtocol, exc: Exception | None) -> None:
        lose(self, exc)
        lost.append((self, exc))

    monkeypatch.setattr(AnsweringProtocol, "connection_lost", connection_lost)
    async with served(runtime, head="known") as client:
        client.stage.endpoint.holds = True
        client.writer.write(written(b"hello"))
        await until(lambda: bool(client.stage.endpoint.pending))
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.writer.close()
        await until(lambda: bool(lost))
        client.stage.endpoint.pending.pop().set_result(None)
        await asyncio.sleep(0.01)
    ((protocol, why),) = lost
    assert isinstance(why, ConnectionResetError)
    # no timer holds it, to look after a client that will never come again
    assert protocol.timeout_keep_alive_task is None


async def test_the_connection_is_closed_if_the_client_says_so(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with served(runtime) as client:
        answer = await client.post(Connection="close")
        assert (answer.way, answer.headers["connection"]) == ("at once", "close")
        assert await client.reader.read() == b""


async def test_a_connection_is_closed_after_it_was_quiet_and_not_before(
    runtime: Runtime, clock: FixedClock
) -> None:
    async with served(runtime, timeout_keep_alive=1) as client:
        for _ in range(3):
            assert (await client.post()).way == "at once"
            await asyncio.sleep(0.6)
        client.stage.endpoint.holds = True
        client.writer.write(written(b"hello"))
        await asyncio.sleep(1.1)  # which is no quiet, for something is under way
        client.stage.endpoint.pending.pop().set_result(None)
        assert (await client.answer()).way == "at once"
        started = time.monotonic()
        async with asyncio.timeout(10):
            assert await client.reader.read() == b""
        assert time.monotonic() - started > 0.9


@HEADS
async def test_what_was_begun_is_answered_before_the_server_ends(
    runtime: Runtime, clock: FixedClock, head: str
) -> None:
    async with AsyncExitStack() as left_open:
        async with a_stage(runtime) as stage:
            # given a request that is under way when the server is told to end
            client = await left_open.enter_async_context(stage.client(head=head))
            stage.endpoint.holds = True
            client.writer.write(written(b"hello"))
            await until(lambda: bool(stage.endpoint.pending))
            once = stage.endpoint.pending.pop()
            asyncio.get_running_loop().call_later(0.3, once.set_result, None)
        answer = await client.answer()
    assert (answer.way, answer.headers["connection"]) == ("at once", "close")


def remaining(answer: Answer) -> int:
    found = re.search(r"r=(\d+)", answer.headers["ratelimit"])
    assert found
    return int(found.group(1))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing says so
            await asyncio.sleep(0.001)
