"""The load client, against servers that do well, ill, and nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest

from robosure.entrypoints.load.openloop import (
    Answer,
    Target,
    run_closed_loop,
    run_open_loop,
)

Writer = asyncio.StreamWriter


def answer(body: bytes = b"ok", status: int = 202, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Request:
    """One request as the server read it."""

    number: int
    head: str
    body: bytes


@dataclass
class Server:
    """Reads requests, and does with each what the test says."""

    handle: Callable[[Request, Writer], Awaitable[None]]
    asked: list[Request] = field(default_factory=list)
    most_at_once: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        self._numbers = count()
        self._at_once = 0
        self._news = asyncio.Condition()

    async def has_been_asked(self, times: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: len(self.asked) >= times)

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                _, _, length = head.partition("Content-Length: ")
                body = await reader.readexactly(int(length))
                request = Request(next(self._numbers), head, body)
                async with self._news:
                    self.asked.append(request)
                    self._news.notify_all()
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                await self.handle(request, writer)
                self._at_once -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    handle: Callable[[Request, Writer], Awaitable[None]],
) -> AsyncIterator[tuple[Server, Target]]:
    server = Server(handle)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    target = Target(f"http://127.0.0.1:{port}/api/v1/events?a=b", {"X-API-Key": "k"})
    try:
        yield server, target
    finally:
        listening.close()


async def accept(_: Request, writer: Writer) -> None:
    writer.write(answer())
    await writer.drain()


def bodies(number: int) -> list[bytes]:
    return [b"%d" % each for each in range(number)]


async def test_in_an_open_loop_every_body_is_sent_once_as_it_is() -> None:
    async with serving(accept) as (server, target):
        answers: list[tuple[int, Answer]] = []
        result = await run_open_loop(
            target,
            bodies(50),
            rate=1_000,
            connections=4,
            on_answer=lambda number, each: answers.append((number, each)),
        )
    # then the server had each of them
    assert sorted(request.body for request in server.asked) == sorted(bodies(50))
    assert server.asked[0].head == (
        "POST /api/v1/events?a=b HTTP/1.1\r\n"
        f"Host: {target.url.split('/')[2]}\r\n"
        "X-API-Key: k\r\n"
        "Content-Length: 1\r\n\r\n"
    )
    # and each is accounted for
    assert sorted(answers) == [(number, Answer(202, b"ok")) for number in range(50)]
    assert result.statuses == Counter({202: 50})
    assert result.errors == Counter()
    assert result.latency.count == result.delay.count == 50
    assert result.offered == 1_000
    # which takes as long as the schedule is
    assert result.seconds >= 0.049
    assert server.connections == 4


async def test_what_waits_behind_a_stall_shows_the_stall() -> None:
    # given a server that stalls once, for 0.4 s, while 40 more requests come due
    async def stall_once(request: Request, writer: Writer) -> None:
        if request.number == 0:
            await asyncio.sleep(0.4)
        await accept(request, writer)

    async with serving(stall_once) as (_, target):
        open_loop = await run_open_loop(target, bodies(40), rate=100, connections=1)
    # then not one of them but three quarters were more than 0.1 s late
    assert open_loop.latency.percentile(30) >= 0.1
    assert open_loop.latency.longest >= 0.4
    # and that is shown as delay, as they waited for the connection
    assert open_loop.delay.percentile(30) >= 0.1
    # whereas each client of a closed loop suffers once, and sends less meanwhile
    async with serving(stall_once) as (_, target):
        closed = await run_closed_loop(target, bodies(40), connections=1)
    assert closed.latency.longest >= 0.4
    assert closed.offered is None
    assert closed.delay.count == 0


async def test_a_closed_loop_keeps_as_many_under_way_as_it_has_connections() -> None:
    async def slowly(request: Request, writer: Writer) -> None:
        await asyncio.sleep(0.002)
        await accept(request, writer)

    async with serving(slowly) as (server, target):
        result = await run_closed_loop(target, iter(bodies(100)), connections=7)
    assert server.most_at_once == 7
    assert result.succeeded == result.requests == 100
    assert result.as_json()["statuses"] == {"202": 100}


async def test_refusals_are_counted_and_are_no_success() -> None:
    async def refuse_every_other(request: Request, writer: Writer) -> None:
        writer.write(answer(status=503 if request.number % 2 else 202))

    async with serving(refuse_every_other) as (_, target):
        result = await run_open_loop(target, bodies(20), rate=1_000, connections=1)
    assert result.statuses == Counter({202: 10, 503: 10})
    assert result.succeeded == 10
    assert result.latency.count == 20


async def test_an_answer_in_pieces_is_put_together() -> None:
    whole = answer(b"x" * 500)

    async def drop_by_drop(_: Request, writer: Writer) -> None:
        for start in range(0, len(whole), 100):
            writer.write(whole[start : start + 100])
            await writer.drain()
            await asyncio.sleep(0.001)

    async with serving(drop_by_drop) as (_, target):
        got: list[bytes] = []
        await run_closed_loop(
            target,
            bodies(3),
            connections=1,
            on_answer=lambda _, each: got.append(each.body),
        )
    assert got == [b"x" * 500] * 3


async def test_a_server_that_closes_after_each_answer_is_connected_to_again() -> None:
    async def once(_: Request, writer: Writer) -> None:
        writer.write(answer(b"ok", 202, "Connection: close"))
        writer.close()

    async with serving(once) as (server, target):
        result = await run_closed_loop(target, bodies(10), connections=2)
    assert result.statuses == Counter({202: 10})
    assert result.errors == Counter()
    assert server.connections >= 10


async def test_a_lost_connection_is_an_error_of_its_request_and_of_no_other() -> None:
    async def hang_up_on_every_fifth(request: Request, writer: Writer) -> None:
        if request.number % 5 == 4:
            writer.close()
        else:
            await accept(request, writer)

    async with serving(hang_up_on_every_fifth) as (server, target):
        result = await run_open_loop(target, bodies(50), rate=1_000, connections=2)
    assert result.statuses == Counter({202: 40})
    assert result.errors == Counter({"connection lost": 10})
    assert len(server.asked) == 50


async def test_a_server_that_says_nothing_times_out() -> None:
    async def silence(_request: Request, _writer: Writer) -> None:
        return

    async with serving(silence) as (_, target):
        result = await run_open_loop(
            target, bodies(3), rate=1_000, connections=3, timeout_seconds=0.2
        )
    assert result.statuses == Counter()
    assert result.errors == Counter({"timeout": 3})
    assert result.achieved == 0.0


async def test_what_is_never_sent_for_want_of_a_connection_is_an_error_too() -> None:
    async def silence(_request: Request, _writer: Writer) -> None:
        return

    async with serving(silence) as (server, target):
        result = await run_open_loop(
            target, bodies(10), rate=1_000, connections=1, timeout_seconds=0.2
        )
    assert result.errors.total() == 10
    assert result.errors["timeout"] == len(server.asked)
    assert result.errors["never sent"] == 10 - len(server.asked)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "answer without Content-Length"),
    ],
)
async def test_what_cannot_be_read_is_an_error(written: bytes, reason: str) -> None:
    async def strange(_: Request, writer: Writer) -> None:
        writer.write(written)

    async with serving(strange) as (_, target):
        result = await run_closed_loop(target, bodies(2), connections=1)
    assert result.errors == Counter({reason: 2})


async def test_no_content_is_an_answer() -> None:
    async def no_content(_: Request, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with serving(no_content) as (_, target):
        result = await run_closed_loop(target, bodies(2), connections=1)
    assert result.statuses == Counter({204: 2})


async def test_a_server_that_comes_back_is_used_again() -> None:
    # given a server that goes away after ten requests
    async with serving(accept) as (first, target):
        run = asyncio.create_task(
            run_open_loop(target, bodies(300), rate=200, connections=2)
        )
        await first.has_been_asked(10)
    port = int(target.url.split(":")[2].split("/")[0])
    # when there is one again at the same place
    server = Server(accept)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port)
    result = await run
    listening.close()
    # then what came due was sent
    assert result.requests == 300
    assert result.statuses[202] == 300 - result.errors.total()
    assert result.errors.total() <= 2


async def test_a_run_can_be_stopped_and_says_what_was_done() -> None:
    stop = asyncio.Event()

    async def stop_at_the_fifth(request: Request, writer: Writer) -> None:
        if request.number == 4:
            stop.set()
        await accept(request, writer)

    async with serving(stop_at_the_fifth) as (server, target):
        result = await run_open_loop(
            target, bodies(1_000), rate=100, connections=1, stop=stop
        )
    assert 5 <= result.requests == len(server.asked) < 1_000
    assert result.errors == Counter()


async def test_where_nobody_is_it_fails_at_once() -> None:
    async with serving(accept) as (_, target):
        pass
    for run in (
        run_open_loop(target, bodies(1), rate=1),
        run_closed_loop(target, bodies(1)),
    ):
        with pytest.raises(OSError, match=r"Connect call failed|refused"):
            await run


async def test_nothing_to_send_is_no_load() -> None:
    async with serving(accept) as (_, target):
        result = await run_open_loop(target, [], rate=10)
    assert result.requests == 0
    assert result.achieved == 0.0


@pytest.mark.parametrize("url", ["/events", "ftp://there/events", "http:///events"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no http:// or https:// address$"):
        Target(url)
