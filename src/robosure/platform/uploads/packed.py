"""gzip: unpacked piece by piece, within bounds, to see that it holds what it may.

Nothing that was unpacked is kept: what is stored and handed out is the file as it came.
"""

from __future__ import annotations

import io
import zlib
from functools import partial
from io import BytesIO
from typing import IO, Final

from typing_extensions import Buffer

from robosure.kernel.errors import Invalid
from robosure.platform.uploads.text import kind_of_text

HOLDS: Final = frozenset({"application/json", "application/x-ndjson", "text/csv"})
_PIECE: Final = 65_536
_GZIP: Final = 16 + zlib.MAX_WBITS
_MOST_TIMES: Final = 200
"""Telemetry packs to a tenth or so; a thousandth is as far as the method goes."""
_FREE: Final = 1024 * 1024
"""So much is unpacked whatever it was packed to: short tables may repeat themselves."""
_MOST_MEMBERS: Final = 1_000


def packed_type(content: bytes, *, max_unpacked: int) -> str:
    """Return the media type of a gzip file that holds one text.

    Args:
        content: all of it; several members one after the other count as one.
        max_unpacked: how many bytes it may hold.

    Raises:
        Invalid: ``archive_too_large``, ``archive_unreadable``,
            ``archive_content_not_allowed`` or ``text_not_utf8``.
    """
    held = kind_of_text(partial(_opened, content, max_unpacked))
    if held not in HOLDS:
        raise Invalid("archive_content_not_allowed", found=held, allowed=sorted(HOLDS))
    return "application/gzip"


def _opened(content: bytes, max_unpacked: int) -> IO[bytes]:
    return io.BufferedReader(_Unpacked(content, max_unpacked), _PIECE)


class _Unpacked(io.RawIOBase):
    """What a gzip file holds, unpacked as it is read, and refused as it grows."""

    def __init__(self, content: bytes, max_unpacked: int) -> None:
        self._packed = BytesIO(content)
        self._most = min(max_unpacked, max(_FREE, len(content) * _MOST_TIMES))
        self._limit = max_unpacked
        self._waiting = b""
        self._member = zlib.decompressobj(_GZIP)
        self._members = 1
        self._unpacked = 0

    def readable(self) -> bool:
        """Say that it is for reading."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Unpack as much as fits, and 0 at the end."""
        view = memoryview(buffer).cast("B")
        while True:
            if self._member.eof and not self._next_member():
                return 0
            packed = self._waiting or self._packed.read(_PIECE)
            try:
                piece = self._member.decompress(packed, len(view))
            except zlib.error as error:
                raise Invalid("archive_unreadable") from error
            self._waiting = self._member.unconsumed_tail
            if not piece and not packed and not self._member.eof:
                raise Invalid("archive_unreadable")  # it ends before it is over
            self._unpacked += len(piece)
            if self._unpacked > self._most:
                raise Invalid("archive_too_large", limit_bytes=self._limit)
            if piece:
                view[: len(piece)] = piece
                return len(piece)

    def _next_member(self) -> bool:
        self._waiting = self._member.unused_data or self._packed.read(_PIECE)
        if not self._waiting:
            return False
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise Invalid("archive_too_large", limit_members=_MOST_MEMBERS)
        self._member = zlib.decompressobj(_GZIP)
        return True
