"""Who PostgreSQL runs as when the stack is started by root.

PostgreSQL refuses to run as root. So root starts it as a user without privileges,
made on first use, who must be able to reach the server's programs and its data.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robosure.entrypoints.stack.errors import StackError

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "robosure"
_READ_ALL = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
_TRAVERSE_ALL = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True, kw_only=True)
class SystemUser:
    """A user and group of this machine, by number."""

    uid: int
    gid: int

    def owns(self, path: Path) -> bool:
        """Whether a file belongs to this user."""
        return path.stat().st_uid == self.uid


def server_user(data: Path) -> SystemUser | None:
    """Choose who runs the server: None for whoever runs this.

    Raises:
        StackError: this is root, and no other user can be made.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return SystemUser(uid=owner.st_uid, gid=owner.st_gid)
    entry = _entry(_NAME) or _create(_NAME) or _entry("nobody")
    if entry is None:
        raise StackError(
            "PostgreSQL cannot run as root, and no other user could be made: "
            f"add one called {_NAME}, or start as an ordinary user"
        )
    return SystemUser(uid=entry.pw_uid, gid=entry.pw_gid)


def let_reach(user: SystemUser, path: Path) -> list[Path]:
    """Let a user pass through the parents of a path, and nothing more.

    Returns:
        The directories that became traversable, so that it can be said.
    """
    opened = [parent for parent in path.absolute().parents if not _passes(user, parent)]
    for parent in opened:
        parent.chmod(stat.S_IMODE(parent.stat().st_mode) | stat.S_IXOTH)
    return opened


def let_read(tree: Path) -> None:
    """Let everyone read a tree of programs that a strict umask has hidden."""
    if _is_open(tree) and all(_is_open(entry) for entry in tree.iterdir()):
        return
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        executable = path.is_dir() or mode & stat.S_IXUSR
        path.chmod(mode | _READ_ALL | (_TRAVERSE_ALL if executable else 0))


def _passes(user: SystemUser, directory: Path) -> bool:
    status = directory.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IROTH)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _create(name: str) -> pwd.struct_passwd | None:
    command = ["useradd", "--system", "--no-create-home", "--user-group", name]
    try:
        subprocess.run(  # nosec B603 # our own command, as a list
            command, check=False, capture_output=True
        )
    except FileNotFoundError:
        return None
    # Asked again instead of trusted: another start may have made it meanwhile.
    return _entry(name)
