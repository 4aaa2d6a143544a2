"""Faults between the processes and their servers: the network, and a full disk."""

from __future__ import annotations

import asyncio
import errno
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from robosure.entrypoints.stack.servers import embedded_servers
from tests.e2e.chaos.campaign import Harmed
from tests.e2e.chaos.proxy import Proxy, Trouble
from tests.e2e.chaos.stage import Stage, a_stage, new_directory

_FAULT_SECONDS: Final = {
    Trouble.REFUSE: (1.5, 5.0),
    # Longer than anyone may be kept waiting for an answer.
    Trouble.STALL: (1.5, 20.0),
    Trouble.CUT: (1.5, 5.0),
}
# The supervisor gives a server up that cannot start five times in a row; a disk has to
# have room again before that.
_FULL_SECONDS: Final = (1.5, 4.0)
_DISK_BYTES: Final = 1 << 30
_TOP_UP_SECONDS: Final = 0.05


class NotPermitted(Exception):
    """This machine does not let us make such a fault."""


class Network:
    """What lies between the processes and their servers."""

    def __init__(self, *, database: Proxy, redis: Proxy) -> None:
        self._proxies = {"database": database, "redis": redis}
        servers = ("redis",), ("database",), ("database", "redis")
        self._troubles = cycle(product(Trouble, servers))

    async def fail(self, stage: Stage, chance: Random) -> Harmed:
        """Trouble one server's connections, or both's, each time in another way."""
        trouble, servers = next(self._troubles)
        seconds = chance.uniform(*_FAULT_SECONDS[trouble])
        async with AsyncExitStack() as troubles:
            for name in servers:
                proxy = self._proxies[name]
                await troubles.enter_async_context(proxy.in_trouble(trouble))
            await asyncio.sleep(seconds)
        await stage.until_ready()
        # What is stalled, or cut here and there, may be done in the end.
        return Harmed(
            f"{trouble} {' and '.join(servers)} {seconds:.1f} s",
            is_felt=trouble is Trouble.REFUSE,
        )


@asynccontextmanager
async def a_distant_stage(
    chance: Random, *, data_in: Path | None = None, keep_logs: Path | None = None
) -> AsyncIterator[tuple[Stage, Network]]:
    """Start a stack whose servers are reached through a network that can fail.

    Args:
        chance: decides how it fails.
        data_in: where the servers keep their data; what looks after them is elsewhere.
        keep_logs: where to copy the processes' logs in the end.
    """
    base = new_directory("servers")
    state = base / "state"
    try:
        if data_in is not None:
            _make_elsewhere(state, data_in)
        with embedded_servers(state) as urls:
            database = Proxy(_port_of(urls.database_url), chance)
            redis = Proxy(_port_of(urls.redis_url), chance)
            async with (
                database.running(),
                redis.running(),
                a_stage(
                    servers=(
                        _at(urls.database_url, database.port),
                        _at(urls.redis_url, redis.port),
                    ),
                    database_url=urls.database_url,
                    keep_logs=keep_logs,
                ) as stage,
            ):
                yield stage, Network(database=database, redis=redis)
    finally:
        if keep_logs is not None:
            shutil.copytree(state / "logs", keep_logs / "servers", dirs_exist_ok=True)
        shutil.rmtree(base, ignore_errors=True)


def _make_elsewhere(state: Path, data_in: Path) -> None:
    """Make the servers' data, move it, and leave the way there in its place."""
    with embedded_servers(state):
        pass
    for name in ("postgres", "redis"):
        # As `mv` does it, which keeps the owner: PostgreSQL is another user.
        subprocess.run(["mv", state / name, data_in / name], check=True)
        (state / name).symlink_to(data_in / name)


def _port_of(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        message = "the servers' URLs name their ports"
        raise ValueError(message)
    return port


def _at(url: str, port: int) -> str:
    parts = urlsplit(url)
    credentials, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{port}"))


@dataclass(frozen=True)
class Disk:
    """A small disk, on which the servers keep their data."""

    directory: Path

    async def fill(self, stage: Stage, chance: Random) -> Harmed:
        """Leave no byte free for a while."""
        seconds = chance.uniform(*_FULL_SECONDS)
        ballast = self.directory / "ballast"
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        try:
            # What the servers give back is taken as well.
            while loop.time() < until:
                await asyncio.to_thread(_fill, ballast)
                await asyncio.sleep(_TOP_UP_SECONDS)
        finally:
            ballast.unlink(missing_ok=True)
        await stage.until_ready()
        return Harmed(f"full for {seconds:.1f} s")


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


@contextmanager
def a_small_disk() -> Iterator[Disk]:
    """Mount a file system of a gigabyte.

    Raises:
        NotPermitted: mounting takes rights that we do not have.
    """
    directory = new_directory("disk")
    size = f"size={_DISK_BYTES},mode=755"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(directory)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            raise NotPermitted(mounted.stderr.strip())
        try:
            yield Disk(directory)
        finally:
            subprocess.run(["umount", "-l", str(directory)], check=True)
    finally:
        directory.rmdir()
