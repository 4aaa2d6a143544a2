"""TCP ports of this machine: which are free, and which to take."""

from __future__ import annotations

import errno
import secrets
import socket

from robosure.entrypoints.stack.errors import StackError

LOOPBACK = "127.0.0.1"

# Below those that systems give to outgoing connections (from 32768 on Linux): one of
# these would be taken by any client while its server starts, or is started again.
_OURS = range(10_000, 30_000)
_DRAWS = 100
_drawn: set[int] = set()


def choose_port(preferred: int | None = None) -> int:
    """Give the preferred port if it is free, else any other on loopback.

    No port is drawn twice in one process: until who is to listen there does so, it is
    free, and another of its servers would be given the same.

    Raises:
        StackError: none is free.
    """
    if preferred is not None and _bind(LOOPBACK, preferred):
        return preferred
    return _draw(LOOPBACK)


def require_port(host: str, port: int) -> int:
    """Make sure that we may listen there; 0 gives any free port.

    Raises:
        StackError: someone else does, or the address is not ours to take.
    """
    try:
        if port == 0:
            return _draw(host)
        if _bind(host, port):
            return port
    except OSError as error:
        raise StackError(
            f"cannot listen on {host}:{port}: {error.strerror or error}"
        ) from error
    raise StackError(
        f"port {port} on {host} is taken: stop what uses it, or choose another"
    )


def _draw(host: str) -> int:
    for _ in range(_DRAWS):
        drawn = secrets.choice(_OURS)
        if drawn not in _drawn and _bind(host, drawn):
            _drawn.add(drawn)
            return drawn
    raise StackError(f"no free port on {host}")


def _bind(host: str, port: int) -> bool:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        # As servers do; without it, closed connections keep the port for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            # Another socket may be bound but only a listening one refuses this.
            probe.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        return True
