"""PostgreSQL and Redis alone, for whoever needs real servers for a while.

The test suite starts them once and hands the URLs to its workers.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from anyio.from_thread import start_blocking_portal
from rich.console import Console

from robosure.entrypoints.stack.output import Output
from robosure.entrypoints.stack.postgres import PostgresServer
from robosure.entrypoints.stack.redis import RedisServer
from robosure.entrypoints.stack.state import State
from robosure.entrypoints.stack.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from robosure.entrypoints.stack.state import StackFile

DATABASE = "robosure"


class ServerUrls(NamedTuple):
    """Where the servers are; the database user may create databases."""

    database_url: str
    redis_url: str


@contextmanager
def embedded_servers(directory: Path, *, durable: bool = True) -> Generator[ServerUrls]:
    """Run PostgreSQL and Redis on a state directory, from code that is not async.

    They are looked after by a thread of their own, and end with this process even
    if it is killed.

    Args:
        directory: the state directory, made if missing.
        durable: False trades safety for speed, for data worth nothing afterwards.

    Raises:
        StackError: they do not start; the text is one line.
    """
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            running_servers(directory, durable=durable)
        ) as urls,
    ):
        yield urls


@asynccontextmanager
async def running_servers(
    directory: Path, *, durable: bool = True, console: Console | None = None
) -> AsyncGenerator[ServerUrls]:
    """Run PostgreSQL and Redis on a state directory; see `embedded_servers`."""
    state = State(directory)
    output = Output(logs=state.logs, console=console or Console(quiet=True))
    with state.held(), closing(output):
        content = state.prepare()
        async with Supervisor(register=state.register, output=output) as supervisor:
            redis = redis_server(state, content, durable=durable)
            await redis.start(supervisor)
            postgres = postgres_server(state, content, output, durable=durable)
            await postgres.start(supervisor)
            await postgres.create_database(DATABASE)
            yield ServerUrls(postgres.url(DATABASE), redis.url)


def postgres_server(
    state: State, content: StackFile, output: Output, *, durable: bool = True
) -> PostgresServer:
    """The database server of a state directory."""
    return PostgresServer(
        data=state.directory / "postgres",
        port=content.database_port,
        password=content.database_password,
        durable=durable,
        say=lambda text: output.say("stack", text),
    )


def redis_server(
    state: State, content: StackFile, *, durable: bool = True
) -> RedisServer:
    """The Redis of a state directory."""
    return RedisServer(
        directory=state.directory / "redis",
        port=content.redis_port,
        password=content.redis_password,
        durable=durable,
    )
