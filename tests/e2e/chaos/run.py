"""Proof by violence: kill parts of Robosure under load, and count what was lost.

    uv run tests/e2e/chaos/run.py --rounds 20 --json chaos.json

Starts a stack of its own in a temporary folder. Per round, devices send telemetry and
people register robots; at a random moment the victim is killed, or its network or disk
fails. Every event that was answered 202 has to have one effect within ten seconds of
recovery, and every fact has to arrive. Exits 1 where one did not.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))
    from tests.e2e.chaos.command import app

    app()
