"""ETag and If-Match: who changes a thing says which version of it they saw."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Header
from fastapi.responses import Response

from robosure.kernel.errors import Invalid

_LONGEST: Final = 18  # digits; more than any version has, fewer than int() refuses


def _if_match(
    if_match: Annotated[
        str | None, Header(description="The ETag of the version you are changing.")
    ] = None,
) -> int | None:
    if if_match is None or if_match == "*":
        return None
    version = if_match.removeprefix("W/").strip('"')
    if not version.isdecimal() or len(version) > _LONGEST:
        raise Invalid("invalid_if_match")
    return int(version)


IfMatch = Annotated[int | None, Depends(_if_match)]
"""The version the caller saw; None if it does not say."""


def set_etag(response: Response, version: int) -> None:
    """Say which version this is."""
    response.headers["ETag"] = f'"{version}"'
