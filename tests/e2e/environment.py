"""The environment in which the product's processes are started for real."""

from __future__ import annotations

import os
from typing import Final

_SETTINGS: Final = ("DATABASE_URL", "REDIS_URL", "LOG_LEVEL", "ENVIRONMENT")
_FOREIGN: Final = ("ROBOSURE_", "COVERAGE_")
"""Another installation's settings; and measuring coverage, which makes a start several
times slower, and of which a process that is killed leaves nothing."""


def neutral_environment() -> dict[str, str]:
    """Return this process's environment without what is meant for others."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and name not in _SETTINGS
    }
