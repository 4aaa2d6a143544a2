"""A client of a running Robosure: what the demo and the tools of the terminal share.

``api`` speaks HTTP and survives a server that is being restarted; ``server`` says where
it is and who may administrate it; ``registry`` registers organisations, people, robots
and devices of a run's own; ``progress`` is what a person sees meanwhile.
"""
