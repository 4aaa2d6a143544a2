"""Reads one PDF from standard input and says in one word what is the matter with it.

Run by path as a process of its own, so that it starts quickly and a PDF made to be
endless takes that process alone. It imports nothing of this product.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from io import BytesIO
from typing import Final

from pypdf import PdfReader
from pypdf.errors import LimitReachedError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, NameObject

SOUND: Final = "sound"
ENCRYPTED: Final = "encrypted"
ACTIVE: Final = "active"
COMPLEX: Final = "complex"
UNREADABLE: Final = "unreadable"

MEMORY_BYTES: Final = 512 * 1024 * 1024
CPU_SECONDS: Final = 10
_MOST_OBJECTS: Final = 200_000
_TAIL: Final = 1_024
"""Where readers look for the mark of the end."""
_ACTIVE_KEYS: Final = frozenset(
    {"/AA", "/EF", "/EmbeddedFiles", "/JS", "/JavaScript", "/RichMediaContent", "/XFA"}
)
_ACTIVE_NAMES: Final = {
    "/S": frozenset(
        {
            "/GoTo3DView",
            "/GoToE",
            "/ImportData",
            "/JavaScript",
            "/Launch",
            "/Movie",
            "/Rendition",
            "/RichMediaExecute",
            "/Sound",
            "/SubmitForm",
        }
    ),
    "/Subtype": frozenset(
        {"/3D", "/FileAttachment", "/Movie", "/RichMedia", "/Screen", "/Sound"}
    ),
    "/Type": frozenset({"/EmbeddedFile"}),
}
"""Actions, annotations and objects that do something, or bring something along."""


def verdict_on(content: bytes) -> str:
    """Say what is the matter with a PDF; ``sound`` if nothing is."""
    if b"%%EOF" not in content[-_TAIL:]:
        return UNREADABLE
    try:
        reader = PdfReader(BytesIO(content), strict=False)
        if reader.is_encrypted:
            return ENCRYPTED
        if len(reader.pages) == 0:
            return UNREADABLE
        return _walked(reader)
    except (MemoryError, RecursionError, LimitReachedError):
        return COMPLEX
    except Exception:  # noqa: BLE001 - whatever a broken file makes the library raise
        return UNREADABLE


def _walked(reader: PdfReader) -> str:
    """Look at each object that a viewer can come to."""
    seen: set[tuple[int, int]] = set()
    looked_at = 0
    waiting: list[object] = [reader.trailer]
    while waiting:
        each = waiting.pop()
        if isinstance(each, IndirectObject):
            key = (each.idnum, each.generation)
            if key in seen:
                continue
            seen.add(key)
            each = each.get_object()
        looked_at += 1
        if looked_at > _MOST_OBJECTS:
            return COMPLEX
        if isinstance(each, DictionaryObject):
            if _is_active(each):
                return ACTIVE
            waiting.extend(each.values())
        elif isinstance(each, ArrayObject):
            waiting.extend(each)
    return SOUND


def _is_active(found: DictionaryObject) -> bool:
    if not _ACTIVE_KEYS.isdisjoint(found):
        return True
    return any(
        isinstance(said := found.get(key, None), IndirectObject | NameObject)
        and str(said.get_object()) in names
        for key, names in _ACTIVE_NAMES.items()
    )


def _bound() -> None:
    """Take no more memory and time than one PDF may."""
    with suppress(ImportError):  # where there is no such bound, the wait for it is one
        import resource  # noqa: PLC0415 - not on every system

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _bound()
    sys.stdout.write(verdict_on(sys.stdin.buffer.read()))
