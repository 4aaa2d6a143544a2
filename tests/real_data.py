"""Real telemetry, for tests of what is done with it.

It is not part of the repository: a test that needs it is skipped where it is missing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

_BESIDE_THE_CHECKOUT: Final = Path(__file__).parents[2] / "shared" / "data"


def ur3_file() -> Path:
    """Return a day of a real UR3, as CSV; skip the test where it is not there.

    It is looked for in the folder that ``ROBOSURE_SHARED_DATA`` names, or else in
    ``shared/data`` beside the checkout.
    """
    folder = Path(os.environ.get("ROBOSURE_SHARED_DATA") or _BESIDE_THE_CHECKOUT)
    path = folder / "ur3_cobotops.csv"
    if not path.exists():
        pytest.skip(f"the UR3 CobotOps telemetry is not in {folder}")
    return path
