"""The demo: the product's main job, done by a client of the public HTTP API.

``journey`` is what is done, step by step; ``client`` speaks HTTP and survives a server
that is being restarted; ``sources`` is where telemetry comes from; ``view`` is what a
person sees.
"""
