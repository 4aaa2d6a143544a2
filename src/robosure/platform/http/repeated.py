"""Heads of requests that come again, byte by byte the same.

Who sends one request after another on a connection mostly sends the same head again and
again, but for the body's length. What it says was found out the first time, by the
parser that reads all that comes; so a request with that head needs no second reading.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_LENGTH: Final = re.compile(
    rb"\r\ncontent-length:[ \t]*([0-9]+)(?=\r\n)", re.IGNORECASE
)
_END: Final = b"\r\n\r\n"
_MOST_BYTES: Final = 4 * 1024
"""So long a head at most is kept, for each connection."""
_MOST_DIGITS: Final = 9


class Head(NamedTuple):
    """A head as it came.

    Attributes:
        before: its bytes until the digits of its body's length.
        after: those after them, the empty line that ends it included.
    """

    before: bytes
    after: bytes

    @classmethod
    def of(cls, request: bytes) -> Head | None:
        """Return a valid request's head; None if it is not whole by its length."""
        end = request.find(_END, 0, _MOST_BYTES)
        if end < 0:
            return None
        body = end + len(_END)
        lengths = list(_LENGTH.finditer(request, 0, body))
        if len(lengths) != 1 or body + int(lengths[0][1]) != len(request):
            return None
        first, last = lengths[0].span(1)
        return cls(request[:first], request[last:body])

    def body_of(self, came: bytes) -> bytes | None:
        """Return a request's body; None if it has another head, or is not all there."""
        before, after = self
        if not came.startswith(before):
            return None
        first = len(before)
        last = came.find(b"\r", first, first + _MOST_DIGITS + 1)
        digits = came[first:last]
        if last < 0 or not digits.isdigit() or not came.startswith(after, last):
            return None
        body = came[last + len(after) :]
        return body if len(body) == int(digits) else None
