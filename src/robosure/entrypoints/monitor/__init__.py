"""The monitor: a running Robosure's metrics, live in a terminal.

``exposition`` reads Prometheus' text format, ``figures`` makes rates and percentiles of
two readings, ``view`` lays them out, and ``command`` reads again and again.
"""
