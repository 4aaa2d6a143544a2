"""Text: UTF-8 and nothing else, read piece by piece, and told by its form.

A table of whatever origin is handed out as ``charset=utf-8``, and so has to be that. A
mark of byte order at its start is taken.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from itertools import islice
from typing import IO, Final

import orjson

from robosure.kernel.errors import Invalid

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DELIMITERS: Final = ",;\t|"
_ROWS: Final = 100
_PIECE: Final = 65_536
_LONGEST_LINE: Final = 8 * 1024 * 1024
"""In bytes; of a JSON document as well, for it is read as a whole."""


def kind_of_text(opened: Callable[[], IO[bytes]]) -> str | None:
    """Return the media type of a text; None if it is none, or of no known form.

    Args:
        opened: gives the text from its beginning, each time it is called.

    Raises:
        Invalid: ``text_not_utf8`` with the position of the first byte that is not, or
            what reading raises.
    """
    with opened() as stream:
        longest = _longest_line(stream)
    if longest is None:
        return None
    with opened() as stream:
        begins = stream.read(_PIECE).removeprefix(BOM_UTF8).lstrip()[:1]
    if begins in {b"{", b"["}:
        return _kind_of_json(opened, longest=longest)
    if begins == b"<" or longest > _LONGEST_LINE:  # a page, a drawing with scripts
        return None
    return "text/csv" if any(_is_table(opened, each) for each in _DELIMITERS) else None


def _longest_line(stream: IO[bytes]) -> int | None:
    """Read all of a text and return what no line of it exceeds; None if it is none.

    Lines within one piece are not measured: they are short.
    """
    decoder = getincrementaldecoder("utf-8")()
    read = longest = line = 0
    for piece in iter(lambda: stream.read(_PIECE), b""):
        if read == 0 and piece.startswith((BOM_UTF16_BE, BOM_UTF16_LE)):
            raise Invalid("text_not_utf8", at=0)
        if _CONTROL.search(piece):
            return None
        waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(piece)
        except UnicodeDecodeError as error:
            at = read - waiting + error.start
            raise Invalid("text_not_utf8", at=at) from error
        read += len(piece)
        head, ended, _ = piece.partition(b"\n")
        longest = max(longest, line + len(head), len(piece))
        line = len(piece) - piece.rindex(b"\n") - 1 if ended else line + len(head)
    if waiting := len(decoder.getstate()[0]):
        raise Invalid("text_not_utf8", at=read - waiting)
    return longest


def _kind_of_json(opened: Callable[[], IO[bytes]], *, longest: int) -> str | None:
    """Tell a document from lines of JSON, each of which is one."""
    with opened() as stream:
        document = stream.read(_LONGEST_LINE + 1)
    whole = len(document) <= _LONGEST_LINE
    if whole and _is_json(document.removeprefix(BOM_UTF8)):
        return "application/json"
    if longest > _LONGEST_LINE:
        return None
    with opened() as stream:
        lines = (line.strip() for line in _lines(stream))
        told = all(
            line[:1] in {b"{", b"["} and _is_json(line) for line in lines if line
        )
    return "application/x-ndjson" if told else None


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    first = next(stream, b"")
    yield first.removeprefix(BOM_UTF8)
    yield from stream


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _is_table(opened: Callable[[], IO[bytes]], delimiter: str) -> bool:
    """Whether each of the first rows has columns."""
    with TextIOWrapper(opened(), encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text, delimiter=delimiter, strict=True)
        written = (row for row in rows if row)
        try:
            narrowest = min((len(row) for row in islice(written, _ROWS)), default=0)
        except csv.Error:
            return False
    return narrowest > 1
