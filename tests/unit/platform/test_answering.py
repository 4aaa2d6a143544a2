"""Answers are written to their connection in one piece, and none of them is lost."""

from __future__ import annotations

import asyncio

from robosure.platform.http.answering import GatheringTransport


class Recorded(asyncio.Transport):
    """Notes what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def test_what_is_written_in_one_go_goes_out_in_one_piece() -> None:
    beneath = Recorded()
    gathering = GatheringTransport(beneath, asyncio.get_running_loop())
    gathering.write(b"head")
    gathering.write(b"body")
    assert beneath.written == []
    await asyncio.sleep(0)
    gathering.write(b"next")
    await asyncio.sleep(0)
    assert beneath.written == [b"headbody", b"next"]


async def test_of_a_long_answer_no_more_is_held_than_a_little() -> None:
    beneath = Recorded()
    gathering = GatheringTransport(beneath, asyncio.get_running_loop())
    for _ in range(10):
        gathering.write(b"x" * 30_000)
    assert sum(map(len, beneath.written)) == 270_000
    await asyncio.sleep(0)
    assert sum(map(len, beneath.written)) == 300_000


async def test_what_is_held_is_written_before_the_connection_is_closed() -> None:
    beneath = Recorded()
    gathering = GatheringTransport(beneath, asyncio.get_running_loop())
    gathering.write(b"last words")
    gathering.close()
    assert (beneath.written, beneath.closed) == ([b"last words"], True)
    gathering.write(b"too late")
    await asyncio.sleep(0)
    assert beneath.written == [b"last words"]


async def test_all_else_is_asked_of_the_transport() -> None:
    gathering = GatheringTransport(Recorded(), asyncio.get_running_loop())
    assert gathering.get_extra_info("peername") == ("192.0.2.1", 4711)
    assert not gathering.is_closing()
