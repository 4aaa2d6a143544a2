"""Passwords in files that change while the process runs.

Vaults' agents, clouds' tokens for databases and Kubernetes' projected secrets write a
credential of minutes or hours into a file, and another in its place before it ends. So
it is read anew for each connection that is made. Those that are open already stay.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from redis.credentials import CredentialProvider


class PasswordFile:
    """A file that holds nothing but a password, or a token."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> str:
        """Return what it holds now, without the line's end.

        Raises:
            ConnectionError: it cannot be read; nobody can connect without it.
        """
        try:
            return self._path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeError) as error:
            raise ConnectionError(f"{self._path} cannot be read") from error


class RedisPasswordFile(CredentialProvider):
    """The same for Redis, of whom its URL names."""

    def __init__(self, path: Path, url: str) -> None:
        self._password = PasswordFile(path)
        self._user = unquote(urlsplit(url).username or "")

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return the user, if there is one, and the password of now."""
        password = self._password()
        return (self._user, password) if self._user else (password,)


def without_credentials(url: str) -> str:
    """Return a URL without its user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
