"""Text is UTF-8, and read without holding more than a piece of it."""

from __future__ import annotations

import tracemalloc
from functools import partial
from io import BufferedReader, BytesIO, RawIOBase
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import Buffer

from robosure.kernel.errors import Invalid
from robosure.platform.uploads.text import kind_of_text

PIECE = 65_536


def kind_of(content: bytes) -> str | None:
    return kind_of_text(partial(BytesIO, content))


@pytest.mark.parametrize(
    ("content", "at"),
    [
        ("Zeit;Größe\n0,1;12\n".encode("cp1252"), 7),
        ("a,b\n1,2\n".encode("utf-16"), 0),
        ("a,b\n1,2\n".encode("utf-16-be"), None),
        (b"\xfe\xff\x00a", 0),
        (b"a,b\n\x81,2\n", 4),
        (b"a,b\n1,\xc3", 6),
        (b"a,b\n1,\xed\xa0\x80\n", 6),
        (b"a,b\n1,\xc0\xaf\n", 6),
        (b"1,2\n" * (PIECE // 4) + b"\xff,2\n", PIECE),
        (b"a" * (PIECE - 1) + "é,".encode() + b"\xff", PIECE + 2),
        (b"a" * (PIECE - 1) + b"\xc3,", PIECE - 1),
    ],
    ids=map(str, count()),
)
def test_what_is_not_utf_8_is_told_where(content: bytes, at: int | None) -> None:
    if at is None:  # letters of two bytes look like no text at all
        assert kind_of(content) is None
        return
    with pytest.raises(Invalid) as refused:
        kind_of(content)
    assert (refused.value.code, refused.value.details) == ("text_not_utf8", {"at": at})


def test_a_letter_may_lie_across_two_pieces() -> None:
    content = b"a" * (PIECE - 1) + "é,b\n1,2\n".encode()
    assert kind_of(content) == "text/csv"


def test_what_is_too_long_for_one_line_is_nothing() -> None:
    long = b"a," * (4 * 1024 * 1024)
    assert kind_of(b"a,b\n" + long + b"\n") == "text/csv"
    assert kind_of(b"a,b\n" + long + b",\n") is None
    assert kind_of(b'{"a": 1}\n["' + long + b'"]') is None


class Endless(RawIOBase):
    """A table of so many pieces, made as it is read."""

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        if not self._pieces:
            return 0
        self._pieces -= 1
        view = memoryview(buffer)
        piece = b"0.1,0.2\n" * (len(view) // 8)
        view[: len(piece)] = piece
        return len(piece)


def test_a_text_is_not_held_as_a_whole() -> None:
    # given a table of 16 MiB
    def opened() -> BufferedReader:
        return BufferedReader(Endless(256), PIECE)

    # when it is read
    tracemalloc.start()
    try:
        kind = kind_of_text(opened)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # then no more than a few of its pieces were there at any time
    assert kind == "text/csv"
    assert most < 2 * 1024 * 1024


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.booleans())
def test_no_text_in_utf_8_is_called_another(text: str, marked: bool) -> None:
    kind = kind_of(text.encode("utf-8-sig" if marked else "utf-8"))
    assert kind in {None, "text/csv", "application/json", "application/x-ndjson"}


@given(st.binary(max_size=200))
def test_any_bytes_are_told_or_refused(content: bytes) -> None:
    try:
        kind = kind_of(content)
    except Invalid as refused:
        assert refused.code == "text_not_utf8"  # noqa: PT017
    else:
        assert kind is None or content.decode("utf-8") is not None
