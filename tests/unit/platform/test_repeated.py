"""Heads that come again: what is taken for one, and what is left to the parser."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.platform.http.repeated import Head

FIRST: Final = (
    b"POST /say HTTP/1.1\r\nHost: robosure.test\r\nContent-Length: 5\r\n"
    b"X-API-Key: a-key\r\n\r\nhello"
)


def known() -> Head:
    head = Head.of(FIRST)
    assert head is not None
    return head


def like_first(length: bytes, body: bytes) -> bytes:
    return FIRST.replace(b"Length: 5", b"Length: " + length)[:-5] + body


@pytest.mark.parametrize("body", [b"hello", b"", b"x", b"y" * 12_345, b"a\r\n\r\nb"])
def test_a_head_is_known_again_whatever_its_bodys_length(body: bytes) -> None:
    assert known().body_of(like_first(b"%d" % len(body), body)) == body


@pytest.mark.parametrize(
    "came",
    [
        FIRST[:-1],
        FIRST + b"\r\n",
        FIRST + FIRST,
        b"\r\n" + FIRST,
        FIRST.replace(b"a-key", b"b-key"),
        FIRST.replace(b"Host", b"host"),
        FIRST.replace(b"5\r\n", b"5\r\nExpect: 100-continue\r\n"),
        FIRST.replace(b"5\r\n", b"5\r\nContent-Length: 5\r\n"),
        FIRST[: FIRST.index(b"5\r\n")],
        b"",
        like_first(b"", b"hello"),
        like_first(b"+5", b"hello"),
        like_first(b"5 ", b"hello"),
        like_first(b"0x5", b"hello"),
        like_first(b"\xc2\xb2", b"he"),
        like_first(b"0" * 20 + b"5", b"hello"),
        like_first(b"4", b"hello"),
        like_first(b"6", b"hello"),
    ],
)
def test_all_else_is_the_parsers(came: bytes) -> None:
    assert known().body_of(came) is None


@pytest.mark.parametrize(
    "came",
    [
        FIRST[:-1],
        FIRST + b"x",
        FIRST.replace(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
        FIRST.replace(b"5\r\n", b"5\r\nContent-Length: 5\r\n"),
        FIRST.replace(b"Content-Length", b"Content-Length-Not"),
        FIRST.replace(b"Content-Length", b" Content-Length"),
        FIRST.replace(b"a-key", b"k" * 5_000),
        FIRST[: FIRST.index(b"5\r\n")],
        b"",
    ],
)
def test_only_the_head_of_one_whole_request_is_kept(came: bytes) -> None:
    assert Head.of(came) is None


def test_the_length_may_be_written_as_any_header() -> None:
    for name in (b"content-length:5", b"CONTENT-LENGTH: \t5"):
        first = FIRST.replace(b"Content-Length: 5", name)
        again = Head.of(first)
        assert again is not None
        assert again.body_of(first) == b"hello"


pieces: Final[Any] = st.sampled_from(
    [FIRST[i : i + 7] for i in range(0, len(FIRST), 7)]
    + [b"\r\n", b"\r\n\r\n", b"5", b"Content-Length: ", FIRST, FIRST[:-5]]
)


@given(st.lists(pieces | st.binary(max_size=9), max_size=20).map(b"".join))
def test_what_is_taken_for_a_request_is_nothing_but_that(came: bytes) -> None:
    for each in filter(None, (known(), Head.of(came))):
        body = each.body_of(came)
        if body is not None:
            assert came == each.before + b"%d" % len(body) + each.after + body
