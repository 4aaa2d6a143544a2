"""The embedded stack: real servers and every process, from one command.

``stack.Stack`` is what ``robosure up`` runs, ``servers.embedded_servers`` is what
the test suite runs. Nothing is imported here, because the watchdog starts from
this package and should stay small.
"""
