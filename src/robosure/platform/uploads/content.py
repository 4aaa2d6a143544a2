"""Tells the media type of a file from what it holds."""

from __future__ import annotations

from functools import partial
from io import BytesIO

import filetype  # pyright: ignore[reportMissingTypeStubs]

from robosure.platform.uploads.documents import document_type
from robosure.platform.uploads.packed import packed_type
from robosure.platform.uploads.pictures import SIGNED_AS_PICTURES, picture_type
from robosure.platform.uploads.recordings import recording_type
from robosure.platform.uploads.text import kind_of_text


def kind_of(content: bytes, *, max_pixels: int, max_unpacked: int) -> str | None:
    """Return the media type; None if it is none that is known here.

    Signatures are looked for where they belong, at the start, and what follows must
    bear them out. What has none is text or nothing: a signature of two letters may also
    begin a table.

    Args:
        content: all of it.
        max_pixels: how many a picture may have.
        max_unpacked: how many bytes a gzip file may hold.

    Raises:
        Invalid: what has a signature and is not what that says, or more than is taken;
            ``text_not_utf8``.
    """
    signed: str | None = filetype.guess_mime(content)
    if signed in SIGNED_AS_PICTURES:
        return picture_type(content, max_pixels=max_pixels)
    if signed == "application/pdf":
        return document_type(content)
    if signed == "video/mp4":
        return recording_type(content)
    if signed == "application/gzip":
        return packed_type(content, max_unpacked=max_unpacked)
    return kind_of_text(partial(BytesIO, content))
