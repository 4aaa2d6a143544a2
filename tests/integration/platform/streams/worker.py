"""A worker as a process of its own, to be killed; with a new life after each death."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, suppress
from functools import partial

import orjson

from robosure.platform.database import Database
from robosure.platform.streams import Engine
from tests.integration.platform.streams.buses import open_bus
from tests.integration.platform.streams.marking import Event, Marking, kill_the_worker


async def stand_still(_session: object, _item: Event) -> None:
    """Have something in hand until killed."""
    sys.stdout.write("standing still\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def work(
    *, database_url: str, bus_url: str, stream: str, partitions: int, name: str
) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = Database(database_url)
    marking = Marking(stream, worker=name, deadly=kill_the_worker, still=stand_still)
    engine = Engine(database, marking)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        bus = open_bus(bus_url, stack)
        await bus.declare(stream, marking.group, partitions=partitions)
        await bus.serve(
            stream, marking.group, partitions=partitions, work=engine.work, stop=stop
        )


def main() -> None:
    """Live, and live again after a violent death, until stopped."""
    arguments = orjson.loads(sys.argv[1])
    while True:
        child = os.fork()
        if child == 0:
            asyncio.run(work(**arguments))
            os._exit(0)
        signal.signal(signal.SIGTERM, partial(_forward, child))
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return
        sys.stdout.write("died\n")
        sys.stdout.flush()


def _forward(child: int, *_: object) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGTERM)


if __name__ == "__main__":
    main()
