"""A gzip file is unpacked within bounds, and holds a text that may be attached."""

from __future__ import annotations

import gzip
import tracemalloc
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.kernel.errors import Invalid
from robosure.platform.uploads.packed import packed_type
from tests.uploads import CSV, JSON, PAGE, PNG, a_gzip

MIB = 1024 * 1024


def refusal_of(content: bytes, *, max_unpacked: int = 64 * MIB) -> str:
    with pytest.raises(Invalid) as refused:
        packed_type(content, max_unpacked=max_unpacked)
    return refused.value.code


@pytest.mark.parametrize(
    "content",
    [
        a_gzip(JSON),
        a_gzip(b'{"at": 0}\n{"at": 1}\n'),
        a_gzip(CSV),
        a_gzip(b"\xef\xbb\xbf" + CSV),
        # as logs are put together that were rotated
        a_gzip(CSV) + a_gzip(b"0.2,1,0.15\r\n"),
        a_gzip(b"") + a_gzip(CSV) + a_gzip(b""),
        # a table that repeats itself
        a_gzip(b"0,0\n" * 10_000),
    ],
    ids=map(str, count()),
)
def test_a_file_with_one_text_is_taken(content: bytes) -> None:
    assert packed_type(content, max_unpacked=MIB) == "application/gzip"


@pytest.mark.parametrize(
    "held",
    [b"", PAGE, PNG, a_gzip(JSON), b"MZ\x90\x00", b"one column\n", b'{"a":'],
    ids=map(str, count()),
)
def test_what_it_may_not_hold_is_refused(held: bytes) -> None:
    assert refusal_of(a_gzip(held)) == "archive_content_not_allowed"


def test_text_in_it_is_utf_8_as_well() -> None:
    assert refusal_of(a_gzip("Größe,m\n1,2\n".encode("cp1252"))) == "text_not_utf8"


@pytest.mark.parametrize(
    "content",
    [
        a_gzip()[:10],
        a_gzip()[:-9],
        a_gzip()[:-1],
        a_gzip()[:-8] + b"\x00" * 8,
        a_gzip() + b"\x00",
        a_gzip() + PAGE,
        a_gzip() + a_gzip()[:-1],
        b"\x1f\x8b\x08" + PAGE,
    ],
    ids=map(str, count()),
)
def test_what_cannot_be_unpacked_to_its_end_is_refused(content: bytes) -> None:
    assert refusal_of(content) == "archive_unreadable"


def test_the_bound_in_bytes_is_inclusive() -> None:
    content = a_gzip(CSV)
    assert packed_type(content, max_unpacked=len(CSV)) == "application/gzip"
    assert refusal_of(content, max_unpacked=len(CSV) - 1) == "archive_too_large"


def test_a_bomb_is_refused_as_it_grows() -> None:
    # given 50 KB that would become 50 MiB, and fit the bound in bytes
    bomb = gzip.compress(b"0,0\n" * (50 * MIB // 4), mtime=0)
    assert len(bomb) < 100_000
    # when it is looked into
    tracemalloc.start()
    try:
        code = refusal_of(bomb)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # then it is refused for its ratio, having taken little
    assert code == "archive_too_large"
    assert most < 4 * MIB


def test_members_are_not_followed_for_ever() -> None:
    assert packed_type(a_gzip(CSV) + a_gzip(b"") * 999, max_unpacked=MIB)
    assert refusal_of(a_gzip(CSV) + a_gzip(b"") * 1_000) == "archive_too_large"


@given(st.data())
def test_anything_is_told_or_refused(data: st.DataObject) -> None:
    content = bytearray(a_gzip(data.draw(st.sampled_from([CSV, JSON, PNG]))))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(2, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    rest = data.draw(st.binary(max_size=20))
    try:
        told = packed_type(bytes(content) + rest, max_unpacked=10_000)
    except Invalid as refused:
        assert refused.code in {  # noqa: PT017
            "archive_content_not_allowed",
            "archive_too_large",
            "archive_unreadable",
            "text_not_utf8",
        }
    else:
        assert told == "application/gzip"
