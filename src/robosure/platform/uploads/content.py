"""Tells the media type of a file from what it holds."""

from __future__ import annotations

import csv
import re
from io import StringIO
from itertools import islice
from typing import Final

import filetype  # pyright: ignore[reportMissingTypeStubs]
import orjson

from robosure.platform.uploads.pictures import SIGNED_AS_PICTURES, picture_type

_SIGNED: Final = frozenset({"application/gzip", "application/pdf", "video/mp4"})
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DELIMITERS: Final = ",;\t|"
_ROWS: Final = 100


def kind_of(content: bytes, *, max_pixels: int) -> str | None:
    """Return the media type; None if it is none that is known here.

    Signatures are looked for where they belong, at the start. What has none is text or
    nothing: a signature of two letters may also begin a table.

    Raises:
        Invalid: ``image_too_large``, ``image_unreadable``.
    """
    signed: str | None = filetype.guess_mime(content)
    if signed in SIGNED_AS_PICTURES:
        return picture_type(content, max_pixels=max_pixels)
    if signed in _SIGNED:
        return signed
    return _kind_of_text(content)


def _kind_of_text(content: bytes) -> str | None:
    if _CONTROL.search(content):
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp1252")  # as spreadsheets save tables
        except UnicodeDecodeError:
            return None
    begins = text.lstrip()[:1]
    if begins in {"{", "["}:
        return "application/json" if _is_json(text) else None
    if begins == "<":  # a page, or a drawing with scripts
        return None
    return "text/csv" if any(_is_table(text, each) for each in _DELIMITERS) else None


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _is_table(text: str, delimiter: str) -> bool:
    """Whether each of the first rows has columns."""
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    written = (row for row in rows if row)
    try:
        narrowest = min((len(row) for row in islice(written, _ROWS)), default=0)
    except csv.Error:
        return False
    return narrowest > 1
