"""The embedded PostgreSQL and Redis: real ones, killed and started again."""

from __future__ import annotations

import asyncio
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from robosure.entrypoints.stack import ports
from robosure.entrypoints.stack.errors import StackError
from robosure.entrypoints.stack.ports import choose_port, require_port
from robosure.entrypoints.stack.processes import Register
from robosure.entrypoints.stack.servers import (
    ServerUrls,
    embedded_servers,
    running_servers,
)
from robosure.entrypoints.stack.state import State
from robosure.entrypoints.stack.system_user import SystemUser, let_reach, let_read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@pytest.fixture
def home() -> Iterator[Path]:
    # Not `tmp_path`: pytest closes its parent to others each time a worker starts,
    # and as root the database server is another.
    with tempfile.TemporaryDirectory(prefix="robosure-") as directory:
        yield Path(directory)


async def query(urls: ServerUrls, sql: str) -> object:
    url = urls.database_url.replace("+asyncpg", "")
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def remember(urls: ServerUrls) -> None:
    await query(urls, "CREATE TABLE kept (word text)")
    await query(urls, "INSERT INTO kept VALUES ('durable')")
    async with Redis.from_url(urls.redis_url) as redis:
        await redis.set("kept", "durable")


async def recall(urls: ServerUrls) -> list[object]:
    async with Redis.from_url(urls.redis_url) as redis:
        return [await query(urls, "SELECT word FROM kept"), await redis.get("kept")]


async def retried(work: Callable[[], Awaitable[list[object]]]) -> list[object]:
    deadline = time.monotonic() + 20
    while True:
        try:
            return await work()
        except (OSError, asyncpg.PostgresError):
            assert time.monotonic() < deadline, "the server did not come back"
            await asyncio.sleep(0.1)


def pid_of(directory: Path, name: str) -> int:
    children = Register(directory / "processes.json").children()
    return next(child.pid for child in children if child.name == name)


async def test_data_survives_a_restart_under_the_same_urls(home: Path) -> None:
    async with running_servers(home) as before:
        await remember(before)
    async with running_servers(home) as after:
        assert after == before
        assert await recall(after) == ["durable", b"durable"]


async def test_data_survives_the_death_of_both_servers(home: Path) -> None:
    # given servers that have acknowledged a write, and a client at work
    async with running_servers(home) as urls:
        await remember(urls)
        busy = asyncio.create_task(query(urls, "SELECT pg_sleep(600)"))
        await asyncio.sleep(0.2)
        # when both are killed
        victims = [pid_of(home, name) for name in ("postgres", "redis")]
        for victim in victims:
            psutil.Process(victim).kill()
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await busy
        # then they come back where they were, with what they had acknowledged
        assert await retried(lambda: recall(urls)) == ["durable", b"durable"]
        assert pid_of(home, "postgres") not in victims
        assert pid_of(home, "redis") not in victims
    log = (home / "logs" / "postgres.log").read_text()
    assert "died (signal 9, SIGKILL), restarting in 0.5 s" in log


async def test_the_servers_are_set_to_keep_what_they_acknowledge(
    home: Path,
) -> None:
    async with running_servers(home) as urls:
        settings = [
            await query(urls, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "listen_addresses")
        ]
        assert settings == ["on", "on", "127.0.0.1"]
        async with Redis.from_url(urls.redis_url) as redis:
            config = await redis.config_get()
    wanted = {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
        "bind": "127.0.0.1",
    }
    assert {name: config[name] for name in wanted} == wanted


async def test_nobody_gets_in_without_the_password(home: Path) -> None:
    async with running_servers(home, durable=False) as urls:
        port = int(urls.database_url.split(":")[-1].split("/")[0])
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host="127.0.0.1", port=port, user="robosure", password="guess"
            )
        private = [home / "stack.json", home / "redis" / "redis.conf"]
        for file in (*private, home / "signing-key.pem"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_a_lost_password_is_said_and_not_worked_around(home: Path) -> None:
    async with running_servers(home, durable=False):
        pass
    (home / "stack.json").unlink()
    with pytest.raises(StackError, match="is missing, and with it the database's"):
        async with running_servers(home, durable=False):
            pass


async def test_another_password_is_said_at_once(home: Path) -> None:
    async with running_servers(home, durable=False):
        content = State(home).read()
    assert content is not None
    State(home).save(content.model_copy(update={"database_password": "other"}))
    with pytest.raises(StackError, match="made with another password"):
        async with running_servers(home, durable=False):
            pass


async def test_the_data_of_another_major_version_is_left_alone(home: Path) -> None:
    async with running_servers(home, durable=False):
        pass
    (home / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(StackError, match="was made by PostgreSQL 16, and this is 18"):
        async with running_servers(home, durable=False):
            pass


async def test_an_interrupted_creation_is_done_again(home: Path) -> None:
    # given what initdb leaves when it is killed
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")
    # when the servers start
    async with running_servers(home, durable=False) as urls:
        # then the database is whole
        assert await query(urls, "SELECT 1") == 1


async def test_a_port_taken_meanwhile_is_exchanged_for_another(home: Path) -> None:
    async with running_servers(home, durable=False) as before:
        await remember(before)
    port = int(before.redis_url.split(":")[-1].split("/")[0])
    taken = await asyncio.start_server(lambda _, writer: writer.close(), port=port)
    async with taken, running_servers(home, durable=False) as after:
        assert after.database_url == before.database_url
        assert after.redis_url != before.redis_url


def test_code_that_is_not_async_has_servers_too(home: Path) -> None:
    with embedded_servers(home, durable=False) as urls:
        assert asyncio.run(query(urls, "SHOW fsync")) == "off"
        processes = [pid_of(home, name) for name in ("postgres", "redis")]
    assert not any(psutil.pid_exists(pid) for pid in processes)


def test_a_failure_reaches_code_that_is_not_async_as_it_is(home: Path) -> None:
    (home / "stack.json").write_text("{}")
    with (
        pytest.raises(StackError, match="cannot be understood"),
        embedded_servers(home),
    ):
        pass


def test_a_user_may_pass_to_the_data_and_read_nothing_on_the_way(home: Path) -> None:
    # given a path behind two closed directories
    (home / "closed").mkdir(mode=0o700)
    data = home / "closed" / "data"
    somebody = SystemUser(uid=54_321, gid=54_321)
    # when somebody must reach it
    opened = let_reach(somebody, data)
    # then those may be passed through but not listed, and nothing else has changed
    assert opened == [home / "closed", home]
    assert stat.S_IMODE((home / "closed").stat().st_mode) == 0o701
    assert let_reach(somebody, data) == []


def test_programs_hidden_by_a_strict_umask_are_made_readable(home: Path) -> None:
    (home / "bin").mkdir(mode=0o700)
    (home / "bin" / "postgres").touch(mode=0o700)
    (home / "bin" / "postgres.conf").touch(mode=0o600)
    let_read(home / "bin")
    modes = [home / "bin", *sorted((home / "bin").iterdir())]
    assert [stat.S_IMODE(path.stat().st_mode) for path in modes] == [
        0o755,
        0o755,
        0o644,
    ]


async def test_a_preferred_port_is_kept_only_while_it_is_free() -> None:
    port = choose_port()
    assert choose_port(port) == port
    assert require_port("127.0.0.1", port) == port
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", port
    )
    async with server:
        assert choose_port(port) != port
        with pytest.raises(StackError, match=f"^port {port} on 127.0.0.1 is taken"):
            require_port("127.0.0.1", port)


def test_who_asks_before_another_listens_gets_another_port() -> None:
    # given few to choose from, so that one would soon be drawn again
    with patch.object(ports, "_OURS", range(20_000, 20_030)):
        assert len({choose_port() for _ in range(20)}) == 20


def test_no_port_is_chosen_that_an_outgoing_connection_may_get() -> None:
    # given Linux, which gives these from 32768 on
    chosen = {choose_port(), require_port("127.0.0.1", 0), require_port("0.0.0.0", 0)}
    assert all(10_000 <= port < 30_000 for port in chosen)


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(
        StackError, match=r"^cannot listen on 192\.0\.2\.1:8000: Cannot"
    ):
        require_port("192.0.2.1", 8000)
