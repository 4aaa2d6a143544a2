"""The first thing each child of the stack runs, and then becomes something else.

Run as a script, isolated, with as few imports as can be: it waits until the
supervisor has written the child down, so that a supervisor that is killed at any
moment never leaves a child nobody knows of. Then it gives up root where asked to
(here, because the interpreter may lie where the other user cannot read) and
executes the command.

Usage: ``python -I -S launch.py GATE UID GID COMMAND...``; -1 keeps the user.
"""

import os
import signal
import sys


def main(arguments: list[str]) -> None:
    """Wait at the gate, then become the command."""
    gate, uid, gid = (int(argument) for argument in arguments[:3])
    command = arguments[3:]
    if not os.read(gate, 1):
        sys.exit(0)
    os.close(gate)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # Python ignores this one for itself, and an ignored signal stays ignored.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # Held back by the supervisor, lest Ctrl-C finds us here and shows a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        os.execvp(command[0], command)  # nosec B606 # noqa: S606 (a list, no shell)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
