"""Robosure's engine beside the usual Python stacks, in one run on the same servers.

    uv run benchmarks/eventflow/peers.py --json peers.json

The harness that runs the peers is not part of this project: `peers_bench.py`, looked
for in `../shared/bench` or where `--harness` says. It is copied to a cache directory,
where the peers are installed into environments of their own. Every worker drains the
same events from the same Redis into the same table of the same PostgreSQL: one row per
event id, committed before it is acknowledged. Rounds are interleaved over all, and the
ratios that are printed at the end are the medians of same-round ratios.

`enqueue` and `worker` are what the harness calls for Robosure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import redis
import uvloop
from redis.asyncio import Redis
from sqlalchemy import text

from robosure.entrypoints.stack.servers import embedded_servers
from robosure.platform.database import Database, WriteSession
from robosure.platform.streams import Engine, Letter
from robosure.platform.streams.bus import Entry, Record, partition_of
from robosure.platform.streams.redis_bus import RedisBus

ROOT: Final = Path(__file__).resolve().parents[2]
HARNESS: Final = ROOT.parent / "shared" / "bench" / "peers_bench.py"
CACHE: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "robosure-peers"
)
ENVIRONMENTS: Final = {
    # Whose pins clash with the others' live in an environment of their own.
    "venv-arq": ["arq", "asyncpg", "orjson", "psycopg[binary]"],
    "venv-celery-batches": [
        "celery[redis]",
        "celery-batches",
        "psycopg[binary]",
        "orjson",
    ],
}
SINGLES: Final = (
    "faststream", "faststream-c16", "taskiq", "streaq", "streaq-c100", "arq",
    "arq-tuned", "dramatiq", "celery", "celery-batches",
)  # fmt: skip
BATCHES: Final = ("faststream-batch-unnest", "faststream-batch")
REFERENCES: Final = ("ref", "ref-fast")
OURS: Final = "robosure"

STREAM, GROUP, PARTITIONS = "bench", "bench", 4
AT_ONCE: Final = 100
"""Events per batch, as a client would send them over HTTP."""
INSERT: Final = text(
    """
    INSERT INTO processed_events (
      event_id, event_type, robot_id, ts, battery_pct, temperature_c, velocity_mps,
      pos_x_m, pos_y_m, heading_deg
    )
    SELECT event_id, event_type, robot_id, ts, battery_pct, temperature_c,
      velocity_mps, pos_x_m, pos_y_m, heading_deg
    FROM json_to_recordset(CAST(:events AS json)) AS e (
      event_id uuid, event_type text, robot_id text, ts timestamptz,
      battery_pct float8, temperature_c float8, velocity_mps float8, pos_x_m float8,
      pos_y_m float8, heading_deg float8
    )
    -- In the order of the index, whose pages are then visited once each.
    ORDER BY event_id
    ON CONFLICT (event_id) DO NOTHING
    """
)


class Rows:
    """The harness's effect: one row of ``processed_events`` for each event id."""

    stream = STREAM
    group = GROUP

    def decode(self, entry: Entry) -> Sequence[bytes]:
        """Leave the events as JSON; PostgreSQL reads it."""
        return [entry.value]

    async def apply(self, session: WriteSession, items: Sequence[bytes]) -> None:
        """Insert what is not there yet."""
        events = b"[" + b",".join([item[1:-1] for item in items]) + b"]"
        await session.execute(INSERT, {"events": events.decode()})

    def letter(self, item: bytes) -> Letter:
        """Write a batch down."""
        first = orjson.loads(item)[0]
        return Letter(
            consumer=GROUP, stream=STREAM, event_id=first["event_id"],
            type=first["event_type"], content=item.decode(),
            occurred_at=datetime.now(UTC),
        )  # fmt: skip

    def restore(self, content: str) -> bytes:
        """Read a batch back."""
        return content.encode()


async def enqueue(count: int, seed: int) -> float:
    """Append events in batches, split by robot as the API does; return events/s."""
    from peers_bench import make_events  # type: ignore[import-not-found]  # of the harness, which is no part of the project

    events: list[dict[str, Any]] = make_events(count, seed)
    async with Redis.from_url(os.environ["REDIS_URL"]) as client:
        bus = RedisBus(client)
        await bus.declare(STREAM, GROUP, partitions=PARTITIONS)
        started = time.perf_counter()
        for first in range(0, count, AT_ONCE):
            parts: dict[int, list[dict[str, Any]]] = {}
            for event in events[first : first + AT_ONCE]:
                part = partition_of(event["robot_id"], PARTITIONS)
                parts.setdefault(part, []).append(event)
            await bus.append(
                *(
                    Record(STREAM, orjson.dumps(own), part)
                    for part, own in parts.items()
                )
            )
        elapsed = time.perf_counter() - started
        await bus.close()
    return count / elapsed


async def work() -> None:
    """Drain until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    database = Database(os.environ["DATABASE_URL"])
    async with Redis.from_url(os.environ["REDIS_URL"]) as client:
        bus = RedisBus(client)
        # An item is a part of a batch here, of about 25 events.
        engine = Engine(database, Rows(), items_at_once=80)
        await bus.declare(STREAM, GROUP, partitions=PARTITIONS)
        await bus.serve(
            STREAM, GROUP, partitions=PARTITIONS, work=engine.work, stop=stop
        )
        await bus.close()
    await database.close()


def install(harness: Path) -> Path:
    """Copy the harness to the cache, with an environment for each set of pins."""
    CACHE.mkdir(parents=True, exist_ok=True)
    script = CACHE / harness.name
    shutil.copyfile(harness, script)
    requirements = (harness.parent / "requirements.txt").read_text().split()
    for name, packages in {"venv": requirements, **ENVIRONMENTS}.items():
        stamp = CACHE / name / ".installed"
        if stamp.exists() and stamp.read_text() == "\n".join(packages):
            continue
        print(f"installing {name}", file=sys.stderr)
        venv.create(CACHE / name, with_pip=True, clear=True)
        pip = [str(CACHE / name / "bin" / "python"), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, *packages], check=True)
        stamp.write_text("\n".join(packages))
    return script


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Let the harness measure all, and add the ratios that are claimed."""
    script = install(arguments.harness)
    with (
        tempfile.TemporaryDirectory(prefix="robosure-bench-") as directory,
        embedded_servers(Path(directory)) as (database_url, redis_url),
    ):
        # As the harness asks for; the embedded Redis would sync always.
        with redis.Redis.from_url(redis_url) as client:
            client.config_set("appendfsync", arguments.appendfsync)
        environment = {
            **os.environ,
            "BENCH_REDIS": redis_url,
            "BENCH_PG": database_url.replace("+asyncpg", ""),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
        }
        own = [sys.executable, str(Path(__file__).resolve())]
        external = Path(directory) / "external.json"
        external.write_text(
            json.dumps(
                {
                    OURS: {
                        "enqueue": [*own, "enqueue", "--n", "{n}", "--seed", "{seed}"],
                        "worker": [*own, "worker"],
                        "env": {"LOG_LEVEL": "WARNING"},
                    }
                }
            )
        )
        report = Path(directory) / "report.json"
        subprocess.run(
            [
                str(CACHE / "venv" / "bin" / "python"), str(script),
                "--external", str(external), "--peers", ",".join(arguments.peers),
                "--n", str(arguments.n), "--runs", str(arguments.runs),
                "--base", "ref-fast", "--timeout", "300", "--json", str(report),
            ],
            env=environment, check=True,
        )  # fmt: skip
        document: dict[str, Any] = json.loads(report.read_text())
    document["ratios"] = ratios(document["results"])
    return document


def ratios(results: dict[str, Any]) -> dict[str, float]:
    """Return Robosure's rate by others', as medians of same-round ratios."""
    rates = {
        name: [each["drain_eps"] for each in found["runs"]]
        for name, found in results.items()
        if not found.get("failed")
    }
    found = {
        name: statistics.median(
            ours / theirs for ours, theirs in zip(rates[OURS], of_peer, strict=False)
        )
        for name, of_peer in rates.items()
        if name != OURS
    }
    singles = {name: found[name] for name in SINGLES if name in found}
    batches = {name: found[name] for name in BATCHES if name in found}
    claims: dict[str, float] = {}
    if batches:
        claims["x FastStream in batches (best)"] = min(batches.values())
    if singles:
        best = min(singles, key=lambda name: singles[name])
        claims[f"x best single-message peer ({best})"] = singles[best]
    if "ref-fast" in found:
        claims["x fast reference"] = found["ref-fast"]
    return {**claims, **{f"x {name}": ratio for name, ratio in found.items()}}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    actions = parser.add_subparsers(dest="action")
    adding = actions.add_parser("enqueue", help="called by the harness")
    adding.add_argument("--n", type=int, required=True)
    adding.add_argument("--seed", type=int, required=True)
    actions.add_parser("worker", help="called by the harness")
    parser.add_argument("--harness", type=Path, default=HARNESS)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--n", type=int, default=20_000, help="events per run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--appendfsync", choices=["everysec", "always"], default="everysec"
    )
    parser.add_argument(
        "--peers",
        type=lambda names: names.split(","),
        default=[*REFERENCES, *BATCHES, *SINGLES],
        help="comma-separated; all by default",
    )
    arguments = parser.parse_args()
    if arguments.action == "enqueue":
        rate = asyncio.run(enqueue(arguments.n, arguments.seed))
        print(json.dumps({"events_per_s": rate}))
    elif arguments.action == "worker":
        uvloop.run(work())
    elif not arguments.harness.exists():
        parser.error(f"no harness at {arguments.harness}; say where with --harness")
    else:
        document = run(arguments)
        for claim, ratio in document["ratios"].items():
            print(f"{ratio:8.2f} {claim}")
        if arguments.json:
            arguments.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
