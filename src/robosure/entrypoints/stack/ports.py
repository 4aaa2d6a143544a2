"""TCP ports of this machine: which are free, and which to take."""

from __future__ import annotations

import errno
import socket

from robosure.entrypoints.stack.errors import StackError

LOOPBACK = "127.0.0.1"


def choose_port(preferred: int | None) -> int:
    """Give the preferred port if it is free, else any other on loopback."""
    if preferred is not None and _bind(LOOPBACK, preferred) is not None:
        return preferred
    chosen = _bind(LOOPBACK, 0)
    if chosen is None:
        raise StackError(f"no free port on {LOOPBACK}")
    return chosen


def require_port(host: str, port: int) -> int:
    """Make sure that we may listen there; 0 gives any free port.

    Raises:
        StackError: someone else does, or the address is not ours to take.
    """
    try:
        chosen = _bind(host, port)
    except OSError as error:
        raise StackError(
            f"cannot listen on {host}:{port}: {error.strerror or error}"
        ) from error
    if chosen is None:
        raise StackError(
            f"port {port} on {host} is taken: stop what uses it, or choose another"
        )
    return chosen


def _bind(host: str, port: int) -> int | None:
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
                return None
            raise
        chosen: int = probe.getsockname()[1]
        return chosen
