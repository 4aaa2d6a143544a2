"""Machines and their makers, and the reading of what vendors' machines send.

``fleet`` holds models and robots, ``profile`` the declarative description of a vendor's
format, ``cells`` the conversion of single values and ``mapping`` that of whole bodies.
"""
