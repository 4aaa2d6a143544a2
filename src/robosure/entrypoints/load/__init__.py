"""Load: telemetry sent through the public HTTP API, to fill it and to measure it.

For other programs, ``openloop`` has what measures: a :class:`Target`, and
:func:`run_open_loop` or :func:`run_closed_loop`, which answer with a
:class:`LoadResult`. ``connection`` is the small HTTP client beneath, ``latencies`` its
histogram. ``telemetry`` makes the events, ``fleet`` the robots that send them;
``produce`` and ``loadtest`` are the commands, ``effects`` finds out when what was
accepted has taken effect, and ``view`` is what a person sees.
"""
