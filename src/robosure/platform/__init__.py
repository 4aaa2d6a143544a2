"""What every context stands on: database, events, jobs, HTTP, security, logging.

The platform knows no insurance; no name of a coverage, a claim or a robot belongs here.
"""
