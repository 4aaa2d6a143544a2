"""The state directory: all that an embedded stack keeps, in one place.

`.robosure/` under the current directory, or where `ROBOSURE_HOME` says. One stack at
a time holds it, by a lock that the kernel releases however the stack ends.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, ValidationError

from robosure.entrypoints.stack.errors import StackError
from robosure.entrypoints.stack.ports import choose_port
from robosure.entrypoints.stack.processes import Register, end_children
from robosure.platform.settings import environment

if TYPE_CHECKING:
    from collections.abc import Generator

_DIRECTORIES = ("files", "mail", "metrics", "logs")
_FILES = ("stack.json", "stack.new", "signing-key.pem", "processes.json")
_SERVERS = ("postgres", "postgres.new", "redis")


class Running(BaseModel):
    """How to reach a stack that runs now, for a client on the same machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    api_url: str
    admin_email: str
    admin_password: str
    database_url: str
    redis_url: str


class StackFile(BaseModel):
    """What `stack.json` holds: chosen once and kept until `--fresh`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_port: int
    database_password: str
    redis_port: int
    redis_password: str
    admin_password: str
    signing_key_file: str
    running: Running | None = None


class State:
    """One state directory."""

    def __init__(self, directory: Path | None = None) -> None:
        """Name the directory; nothing is touched yet."""
        home = environment().get("ROBOSURE_HOME") or ".robosure"
        chosen = directory if directory is not None else Path(home).expanduser()
        self.directory = chosen.absolute()
        self.register = Register(self.directory / "processes.json")

    @property
    def stack_file(self) -> Path:
        """Ports and passwords, readable by the owner only."""
        return self.directory / "stack.json"

    @property
    def signing_key_file(self) -> Path:
        """The private key that signs access tokens, readable by the owner only."""
        return self.directory / "signing-key.pem"

    @property
    def logs(self) -> Path:
        """One file for each process, with all it wrote."""
        return self.directory / "logs"

    @contextmanager
    def held(self) -> Generator[list[str]]:
        """Hold the directory alone, made if missing, rid of an earlier stack's rest.

        Yields:
            The names of processes that a killed stack had left, and that are ended.

        Raises:
            StackError: another stack holds it, or it cannot be written.
        """
        with _one_line(self.directory):
            self._make()
            lock = self._lock()
        try:
            yield end_children(self.register.children())
        finally:
            os.close(lock)

    def wipe(self) -> None:
        """Delete everything a stack has made, and nothing else; only while held."""
        with _one_line(self.directory):
            for name in (*_DIRECTORIES, *_SERVERS):
                if (path := self.directory / name).exists():
                    shutil.rmtree(path)
            for name in _FILES:
                (self.directory / name).unlink(missing_ok=True)

    def prepare(self) -> StackFile:
        """Make what is missing and choose ports; only while held."""
        with _one_line(self.directory):
            for name in _DIRECTORIES:
                (self.directory / name).mkdir(mode=0o700, exist_ok=True)
            for measured in (self.directory / "metrics").iterdir():
                measured.unlink()
            if not self.signing_key_file.exists():
                _write_private(self.signing_key_file, _signing_key())
            known = self.read()
            content = self._fresh_file() if known is None else _with_free_ports(known)
            self.save(content)
        return content

    def read(self) -> StackFile | None:
        """What is kept, or None in a new directory.

        Raises:
            StackError: the file is not ours, or is damaged.
        """
        try:
            text = self.stack_file.read_text(encoding="utf-8")
            return StackFile.model_validate_json(text)
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise StackError(
                f"{self.stack_file} cannot be understood: restore it, or --fresh"
            ) from error

    def save(self, content: StackFile) -> None:
        """Keep it, whole or not at all."""
        text = content.model_dump_json(indent=2) + "\n"
        _write_private(self.stack_file, text.encode())

    def running(self) -> Running | None:
        """The stack that is up on this directory, if there is one."""
        with _one_line(self.directory):
            content = self.read()
        if content is None or content.running is None:
            return None
        supervisor = self.register.supervisor()
        if supervisor is None or supervisor.process() is None:
            return None
        return content.running if supervisor.pid == content.running.pid else None

    def _make(self) -> None:
        if not self.directory.exists():
            # Root's database server is another user, who must pass through.
            mode = 0o711 if os.geteuid() == 0 else 0o700
            self.directory.mkdir(parents=True)
            self.directory.chmod(mode)

    def _lock(self) -> int:
        lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            supervisor = self.register.supervisor()
            who = f" (process {supervisor.pid})" if supervisor else ""
            raise StackError(
                f"a stack already runs on {self.directory}{who}: stop it first"
            ) from error
        return lock

    def _fresh_file(self) -> StackFile:
        if (self.directory / "postgres").exists():
            raise StackError(
                f"{self.stack_file} is missing, and with it the database's password: "
                "restore it, or start afresh with --fresh"
            )
        return StackFile(
            database_port=choose_port(),
            database_password=secrets.token_urlsafe(24),
            redis_port=choose_port(),
            redis_password=secrets.token_urlsafe(24),
            admin_password=secrets.token_urlsafe(12),
            signing_key_file=str(self.signing_key_file),
        )


@contextmanager
def _one_line(directory: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StackError(
            f"cannot use {error.filename or directory}: {reason}"
        ) from error


def _with_free_ports(known: StackFile) -> StackFile:
    ports = {
        "database_port": choose_port(known.database_port),
        "redis_port": choose_port(known.redis_port),
        "running": None,
    }
    return known.model_copy(update=ports)


def _write_private(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)


def _signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
