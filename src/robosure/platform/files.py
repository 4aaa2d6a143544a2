"""File storage behind a port: a local directory now, an object store later."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from robosure.kernel.errors import Invalid, NotFound


@dataclass(frozen=True)
class StoredFile:
    """What was stored.

    Attributes:
        size: bytes.
        sha256: of the content, hex.
    """

    key: str
    size: int
    sha256: str


class FileStorage(Protocol):
    """Keeps files by key; a key looks like a relative path."""

    async def put(self, key: str, content: bytes, content_type: str) -> StoredFile:
        """Store the content, whole or not at all; the same key is replaced."""
        ...

    async def get(self, key: str) -> bytes:
        """Return the content.

        Raises:
            NotFound: there is none under that key.
        """
        ...


class LocalFiles:
    """Files in a directory; each appears under its name only once it is complete."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()

    async def put(self, key: str, content: bytes, content_type: str) -> StoredFile:
        """Write aside, sync, and rename into place."""
        del content_type  # a directory has nowhere to keep it
        path = self._path(key)
        await asyncio.to_thread(_write, path, content)
        return StoredFile(key, len(content), hashlib.sha256(content).hexdigest())

    async def get(self, key: str) -> bytes:
        """Read the file."""
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFound("file_not_found", key=key) from error

    def _path(self, key: str) -> Path:
        try:
            path = (self._directory / key).resolve()
        except ValueError as error:  # a null byte
            raise Invalid("invalid_file_key", key=key) from error
        if not path.is_relative_to(self._directory) or path == self._directory:
            raise Invalid("invalid_file_key", key=key)
        return path


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
