"""What nobody is to keep."""

from __future__ import annotations

from fastapi import Response


def keep_out_of_caches(response: Response) -> None:
    """Have nobody on the way, and no browser, keep the answer (RFC 9111)."""
    response.headers["Cache-Control"] = "no-store"
