"""MP4 recordings: walked box by box (ISO/IEC 14496-12), without decoding a picture.

Boxes must fill the file and one another exactly, and there must be what players need: a
description of a movie with at least one track of pictures, and samples for it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from robosure.kernel.errors import Invalid

_AT_THE_TOP: Final = frozenset(
    b"ftyp styp moov mdat moof mfra sidx ssix prft emsg pdin meta free skip wide uuid "
    b"udta".split()
)
_TRACKS: Final = frozenset(
    b"vide soun meta mdta hint text sbtl subt clcp tmcd camm auxv pict".split()
)
"""Kinds of tracks: pictures, sound, and what cameras note beside them."""
_MOST_BOXES: Final = 20_000
_HANDLER_AT: Final = 8
_HEADER: Final = 8
_LONG_HEADER: Final = 16


@dataclass(frozen=True)
class _Box:
    kind: bytes
    start: int
    end: int


def recording_type(content: bytes) -> str:
    """Return the media type of a recording that is whole.

    Raises:
        Invalid: ``recording_unreadable``.
    """
    walk = _Walk(content)
    top = list(walk.boxes(0, len(content)))
    kinds = [box.kind for box in top]
    if (
        kinds[:1] != [b"ftyp"]
        or not _AT_THE_TOP.issuperset(kinds)
        or kinds.count(b"ftyp") != 1
        or kinds.count(b"moov") != 1
        or b"mdat" not in kinds
    ):
        raise _unreadable()
    walk.movie(next(box for box in top if box.kind == b"moov"))
    return "video/mp4"


class _Walk:
    """One walk over a file, which ends after so many boxes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._seen = 0

    def boxes(self, start: int, end: int) -> Iterator[_Box]:
        """List the boxes that fill a range."""
        at = start
        while at < end:
            self._seen += 1
            if self._seen > _MOST_BOXES:
                raise _unreadable()
            size, kind, header = self._header(at, end)
            if size < header or at + size > end:
                raise _unreadable()
            yield _Box(kind, at + header, at + size)
            at += size

    def movie(self, moov: _Box) -> None:
        """Make sure that there is a track of pictures, and none of the unknown."""
        inside = list(self.boxes(moov.start, moov.end))
        tracks = [self._track(box) for box in inside if box.kind == b"trak"]
        _need({b"mvhd"}, inside)
        if b"vide" not in tracks or not _TRACKS.issuperset(tracks):
            raise _unreadable()

    def _track(self, trak: _Box) -> bytes:
        """Return of which kind a track is."""
        media = self._inside(trak, {b"tkhd", b"mdia"})[b"mdia"]
        parts = self._inside(media, {b"mdhd", b"hdlr", b"minf"})
        tables = self._inside(parts[b"minf"], {b"stbl"})[b"stbl"]
        self._inside(tables, {b"stsd", b"stts", b"stsc"})
        handler = parts[b"hdlr"]
        return self._content[handler.start + _HANDLER_AT : handler.end][:4]

    def _inside(self, box: _Box, needed: set[bytes]) -> dict[bytes, _Box]:
        inside = list(self.boxes(box.start, box.end))
        _need(needed, inside)
        return {each.kind: each for each in inside}

    def _header(self, at: int, end: int) -> tuple[int, bytes, int]:
        """Return a box's size, kind and how long that itself is."""
        if end - at < _HEADER:
            raise _unreadable()
        size, kind = struct.unpack_from(">I4s", self._content, at)
        if size == 1:
            if end - at < _LONG_HEADER:
                raise _unreadable()
            return (
                *struct.unpack_from(">Q", self._content, at + _HEADER),
                kind,
                _LONG_HEADER,
            )
        if size == 0 and end == len(self._content):  # all that follows
            size = end - at
        return size, kind, _HEADER


def _need(needed: set[bytes], boxes: list[_Box]) -> None:
    """Make sure that each of these is there once."""
    kinds = [box.kind for box in boxes]
    if any(kinds.count(kind) != 1 for kind in needed):
        raise _unreadable()


def _unreadable() -> Invalid:
    return Invalid("recording_unreadable")
