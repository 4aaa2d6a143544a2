"""The rules of selling cover: rate a fleet, quote it, bind it, keep its history.

``rating`` prices, with ``telemetry``, ``tax`` and ``proration`` beneath it; ``quote``
offers that price for a while; ``policy`` is what a bound quote becomes.
"""
