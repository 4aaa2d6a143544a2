"""The words every context speaks: money, time, ids, errors, aggregates, events.

Nothing here imports more than the standard library, so a domain that stands on the
kernel alone can be read, tested and moved without any framework.
"""
