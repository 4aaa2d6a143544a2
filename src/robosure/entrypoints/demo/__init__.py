"""The demo: the product's main job, done by a client of the public HTTP API.

``journey`` is what is done, step by step, by those in ``cast``; ``claim`` is its last
part. ``client`` speaks HTTP and survives a server that is being restarted; ``sources``
is where telemetry comes from; ``view`` is what a person sees, and ``amounts`` how money
is shown to them.
"""
