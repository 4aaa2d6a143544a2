"""A million hostile events through a real API, and what became of them.

    uv run tests/e2e/hostile.py --events 1000000 --json hostile.json

Starts a stack of its own in a temporary folder. No answer may be a server's error,
every good event has to be stored once, and memory must not grow with what is sent.
Exits 1 where one of this is not so.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.e2e.storm import app

    app()
