"""``robosure events``: what an operator sees of events, and does about them.

Clients of the public HTTP API and nothing else. ``letters`` deals with what failed,
``rebuilding`` with projections, and ``looking`` with types and single events.
"""
