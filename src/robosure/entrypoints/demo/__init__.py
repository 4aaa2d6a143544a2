"""The demo: the product's main job, done by a client of the public HTTP API.

``journey`` is what is done, step by step, by those in ``cast``; ``claim`` is its last
part. ``sources`` is where telemetry comes from; ``view`` is the summary, and
``amounts`` how money is shown to them.
"""
