"""How fast one API process takes events in over HTTP, beside what the machine can do.

    uv run benchmarks/eventflow/reception.py --json reception.json

Sixteen clients send as fast as they are answered: batches of 100 events, and then
events one by one, as a device with an API key that speaks for an operator's robots. No
worker runs; Redis syncs its file before it answers. In the same round come the limits:
an ASGI application that reads the body and answers 202, served by the same server; and
the same entries added to Redis by the same writer, with no HTTP around it, by sixteen
at once and by one. Rounds are repeated, and medians are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import uvloop
from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.eventflow.stage import Sample, Stage, report, staged
from robosure.entrypoints.load.fleet import Fleet, Source, gathered
from robosure.entrypoints.load.openloop import LoadResult, Target, run_closed_loop
from robosure.entrypoints.stack.ports import choose_port
from robosure.kernel.ids import uuid7
from robosure.platform.streams.appending import key_of
from robosure.platform.streams.bus import INGEST
from robosure.platform.streams.ingest import Batch, append
from robosure.platform.streams.redis_bus import RedisBus

CLIENTS: Final = 16
AT_ONCE: Final = 100
PARTITIONS: Final = 4
_BARE: Final = """
import uvicorn

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})

uvicorn.run(app, port=%d, access_log=False, log_level="warning", lifespan="off")
"""
_TYPES: Final = {
    "batches": "application/cloudevents-batch+json",
    "singles": "application/cloudevents+json",
}
_EVENTS: Final = {"batches": AT_ONCE, "singles": 1}


class Served(NamedTuple):
    """An address, and the process behind it."""

    url: str
    pid: int

    def used(self) -> float:
        """Return the processor seconds of the process so far, to the nanosecond."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


async def over_http(
    served: Served,
    bodies: list[bytes],
    kind: str,
    *,
    seconds: float,
    api_key: str = "",
) -> dict[str, Any]:
    """Send bodies from all clients for so long, after a warm-up; return the figures.

    Raises:
        RuntimeError: an answer is not 202.
    """
    headers = {"Content-Type": _TYPES[kind], "X-API-Key": api_key}
    target = Target(served.url, headers)
    await _load(target, bodies, seconds=min(2.0, seconds))
    before = served.used()
    result = await _load(target, bodies, seconds=seconds)
    cpu = served.used() - before
    latency = result.latency
    return {
        "requests_per_s": result.achieved,
        "events_per_s": result.achieved * _EVENTS[kind],
        "p50_ms": 1e3 * latency.percentile(50),
        "p99_ms": 1e3 * latency.percentile(99),
        "server_cpu_us_per_request": 1e6 * cpu / result.requests,
        "server_busy": cpu / result.seconds,
    }


async def _load(target: Target, bodies: list[bytes], *, seconds: float) -> LoadResult:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    result = await run_closed_loop(
        target, cycle(bodies), connections=CLIENTS, stop=stop
    )
    if result.errors or set(result.statuses) != {202}:
        raise RuntimeError(f"not accepted: {result.statuses} {result.errors}")
    return result


async def into_redis(
    url: str, bodies: list[bytes], kind: str, *, at_once: int, seconds: float
) -> dict[str, Any]:
    """Append what the API would, without HTTP; return how fast it went."""
    events = [orjson.loads(body) for body in bodies]
    batches = cycle([each if isinstance(each, list) else [each] for each in events])
    done = 0
    async with Redis.from_url(url) as client:
        bus = RedisBus(client)
        until = time.perf_counter() + seconds

        async def one() -> None:
            nonlocal done
            while time.perf_counter() < until:
                batch = Batch(uuid7(), str(uuid7()), datetime.now(UTC), uuid7())
                await append(bus, batch, next(batches), partitions=PARTITIONS)
                done += 1

        await asyncio.gather(*(one() for _ in range(at_once)))
        await bus.close()
    return {
        "appends_per_s": done / seconds,
        "events_per_s": done * _EVENTS[kind] / seconds,
    }


async def emptied(stage: Stage) -> None:
    """Forget what was taken in, so that each measurement begins alike."""
    async with Redis.from_url(stage.redis_url) as client:
        await client.delete(*(key_of(INGEST, part) for part in range(PARTITIONS)))
        while (await client.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110 - Redis says nothing
            await asyncio.sleep(0.1)


@contextmanager
def bare_server() -> Iterator[Served]:
    """Serve an application that does nothing."""
    port = choose_port()
    process = subprocess.Popen([sys.executable, "-c", _BARE % port])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield Served(f"http://127.0.0.1:{port}/", process.pid)
    finally:
        process.terminate()
        process.wait(10)


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make all rounds, and return the medians."""
    limits = {"EVENT_BACKLOG_LIMIT": 10**9, "EVENT_MEMORY_MB": 10**6}
    settings = {f"ROBOSURE_{name}": str(value) for name, value in limits.items()}
    with (
        staged(partitions=PARTITIONS, **settings) as stage,
        stage.api() as server,
        bare_server() as bare,
    ):
        (process,) = next(iter(stage.running.values()))
        ours = Served(f"{server.url}/api/v1/events", process.pid)
        async with AsyncExitStack() as stack:
            with stage.process("work"):
                gathering = gathered(Source(server), arguments.robots)
                fleet = await stack.enter_async_context(gathering)
            rounds = [
                await a_round(stage, ours, bare, fleet, arguments)
                for _ in range(arguments.rounds)
            ]
    return {
        name: {
            figure: round(statistics.median(each[name][figure] for each in rounds), 2)
            for figure in figures
        }
        for name, figures in rounds[0].items()
    } | {"rounds": len(rounds), "clients": CLIENTS, "robots": arguments.robots}


async def a_round(
    stage: Stage,
    ours: Served,
    bare: Served,
    fleet: Fleet,
    arguments: argparse.Namespace,
) -> dict[str, dict[str, Any]]:
    """Measure ours and the limits, one after the other."""
    sample = Sample(fleet.robots)
    bodies = {
        "batches": list(sample.batches(AT_ONCE * 64, AT_ONCE)),
        "singles": [orjson.dumps(sample.event(number)) for number in range(2_000)],
    }
    seconds, url = arguments.seconds, stage.redis_url
    found: dict[str, dict[str, Any]] = {}
    for kind, contents in bodies.items():
        found[f"http_{kind}"] = await over_http(
            ours, contents, kind, seconds=seconds, api_key=fleet.api_key
        )
        await emptied(stage)
        found[f"limit_bare_asgi_{kind}"] = await over_http(
            bare, contents, kind, seconds=seconds / 2
        )
        for name, at_once in (("at_once", CLIENTS), ("one_by_one", 1)):
            found[f"limit_redis_{kind}_{name}"] = await into_redis(
                url, contents, kind, at_once=at_once, seconds=seconds / 4
            )
            await emptied(stage)
    return found


def parser() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    reader = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    reader.add_argument("--seconds", type=float, default=10.0, help="of each, at most")
    reader.add_argument("--rounds", type=int, default=3)
    reader.add_argument("--robots", type=int, default=100)
    reader.add_argument("--json", type=Path, help="where to write the figures")
    return reader


if __name__ == "__main__":
    chosen = parser().parse_args()
    report(uvloop.run(measure(chosen)), chosen.json)
