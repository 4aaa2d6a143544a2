"""What clients say of a file, held against what it is."""

from __future__ import annotations

from typing import Final

_SAYS_NOTHING: Final = frozenset(
    {"", "application/octet-stream", "binary/octet-stream"}
)
_ALSO_CALLED: Final = {
    "application/gzip": {"application/x-gzip"},
    "application/json": {"text/json", "text/plain"},
    "application/pdf": {"application/x-pdf"},
    "image/heic": {"image/heif"},
    "image/jpeg": {"image/jpg", "image/pjpeg"},
    "image/png": {"image/apng", "image/x-png"},
    # Windows calls a table by the program that opens it.
    "text/csv": {"application/csv", "application/vnd.ms-excel", "text/plain"},
    "video/mp4": {"application/mp4"},
}


def contradicts(declared: str | None, found: str) -> bool:
    """Say whether a declared media type is another than what was found."""
    named = (declared or "").partition(";")[0].strip().lower()
    return named not in {found, *_SAYS_NOTHING, *_ALSO_CALLED.get(found, ())}
