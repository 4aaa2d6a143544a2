"""File names as labels: for people to know a file by, and good for nothing else."""

from __future__ import annotations

import unicodedata
from typing import Final

_LONGEST: Final = 200
_ENDINGS: Final = {
    "application/gzip": (".gz", ".gzip"),
    "application/json": (".json",),
    "application/pdf": (".pdf",),
    "image/gif": (".gif",),
    "image/heic": (".heic", ".heif"),
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png", ".apng"),
    "image/webp": (".webp",),
    "text/csv": (".csv", ".tsv", ".txt"),
    "video/mp4": (".mp4", ".m4v"),
}


def label(name: str | None, media_type: str) -> str:
    """Make a label of a client's file name.

    It keeps the last part of a path, without what does not print: control characters,
    and marks that turn the direction of writing. It ends as its content does, so that
    nothing is saved as a program.
    """
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    printable = "".join(filter(str.isprintable, unicodedata.normalize("NFC", last)))
    plain = printable.strip(" .") or "attachment"
    endings = _ENDINGS.get(media_type, ("",))
    ending = next((e for e in endings if plain.lower().endswith(e)), None)
    if ending is None:
        return plain[:_LONGEST] + endings[0]
    stem = plain[: len(plain) - len(ending)][:_LONGEST] or "attachment"
    return stem + plain[len(plain) - len(ending) :]
