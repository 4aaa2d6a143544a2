"""What several schemas have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StringConstraints

INSURER = "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b01"
USER = "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b02"
KEY = "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b03"
SESSION = "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b04"
PROVIDER = "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b05"
NOON = "2026-03-02T12:00:00Z"

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$"
    ),
]
Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"
    ),
]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]


def example(**values: Any) -> dict[str, Any]:
    """Return the part of a JSON Schema that shows one example."""
    return {"examples": [values]}
