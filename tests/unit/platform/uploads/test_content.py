"""What a file is, by its content."""

from __future__ import annotations

from io import BytesIO
from itertools import count
from unittest.mock import patch
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import PngImagePlugin

from robosure.kernel.errors import Invalid
from robosure.platform.uploads.content import kind_of
from tests.uploads import (
    CSV,
    FTYP,
    JSON,
    MP4,
    PAGE,
    PNG,
    SVG,
    a_bomb,
    a_gzip,
    a_pdf,
    a_picture,
    a_talkative_png,
)

MOST = 1_000_000


def a_zip() -> bytes:
    file = BytesIO()
    with ZipFile(file, "w") as packed:
        packed.writestr("run.js", "alert(1)")
    return file.getvalue()


def told(content: bytes, *, max_pixels: int = MOST) -> str | None:
    return kind_of(content, max_pixels=max_pixels, max_unpacked=MOST)


def refusal_of(content: bytes, *, max_pixels: int = MOST) -> str:
    with pytest.raises(Invalid) as refused:
        told(content, max_pixels=max_pixels)
    return refused.value.code


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (a_picture("PNG"), "image/png"),
        (a_picture("PNG", frames=3), "image/png"),
        (a_picture("JPEG"), "image/jpeg"),
        (a_picture("JPEG", progressive=True), "image/jpeg"),
        (a_picture("MPO", frames=2), "image/jpeg"),
        (a_picture("GIF", frames=3), "image/gif"),
        (a_picture("WEBP"), "image/webp"),
        (a_picture("WEBP", frames=3), "image/webp"),
        (a_picture("HEIF"), "image/heic"),
        (a_pdf(), "application/pdf"),
        (a_gzip(), "application/gzip"),
        (MP4, "video/mp4"),
        (JSON, "application/json"),
        (b"\xef\xbb\xbf[1, 2]", "application/json"),
        (CSV, "text/csv"),
        (b"\xef\xbb\xbfZeit;Strom\n0,1;0,12\n\n0,2;0,14\n", "text/csv"),
        ("Zeit;Größe\n0,1;12\n".encode(), "text/csv"),
        (b'{"at": 0}\n{"at": 1}\n', "application/x-ndjson"),
        (b'\xef\xbb\xbf{"at": 0}\n\n[1]', "application/x-ndjson"),
        (b"time\tamperes\n0.1\t0.12\n", "text/csv"),
        # two letters that also begin bitmaps, and programs
        (b"BMS_temperature,MZ\n20.1,3\n", "text/csv"),
        (b"MZ,BM\n1,2\n", "text/csv"),
    ],
    ids=map(str, count()),
)
def test_a_file_is_what_it_holds(content: bytes, kind: str) -> None:
    assert told(content) == kind


@pytest.mark.parametrize(
    "content",
    [
        PAGE,
        b"\n\t " + PAGE,
        b"\xef\xbb\xbf" + PAGE,
        SVG,
        b"<?xml version='1.0'?><a b='c,d'/>",
        b"<a,b>\n1,2\n",
        b"#!/bin/sh\nrm -rf /\n",
        b"MZ\x90\x00\x03\x00\x00\x00",
        b"\x7fELF\x02\x01\x01\x00",
        a_zip(),
        a_picture("BMP"),
        a_picture("TIFF"),
        a_picture("AVIF"),
        b"a,b\n1,\x002\n",
        b"a,b\x1b[2J\n",
        b"one column\nonly\n",
        b"a,b\nnot a table\n",
        b'a,"b"c\n',
        b'{"robot": ',
        b'{"robot": NaN, "a": 1}',
        b"[" * 2_000 + b"]" * 2_000,
        b'{"at": 0}\n{"at": \n',
        b'{"at": 0}\n1\n',
        b" ",
        b"\x00",
        b"\n\n\n",
    ],
    ids=map(str, count()),
)
def test_what_is_none_of_these_is_nothing(content: bytes) -> None:
    assert told(content) is None


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG + a_zip(), "image/png"),
        (PNG + PAGE, "image/png"),
        (a_picture("JPEG", comment=PAGE), "image/jpeg"),
        (a_pdf() + a_zip(), "application/pdf"),
    ],
    ids=map(str, count()),
)
def test_what_is_two_things_is_the_one_that_it_begins_as(
    content: bytes, kind: str
) -> None:
    assert told(content) == kind


@pytest.mark.parametrize(
    "content",
    [PAGE + b"%PDF-1.7\n%%EOF", b"\n%PDF-1.7\n%%EOF", b"x" + PNG],
    ids=map(str, count()),
)
def test_a_signature_further_on_is_none(content: bytes) -> None:
    assert told(content) is None


@pytest.mark.parametrize(
    "content",
    [
        b"GIF89a=1;alert(1)//",
        b"GIF89a/*" + b"\x00" * 20 + b"*/=1;alert(1)",
        PNG[:40],
        PNG[:-40],
        PNG.replace(b"IDAT", b"iDAT"),
        PNG[:60] + b"\x00\xff\x00\xff" + PNG[64:],
        a_picture("JPEG")[:-30],
        b"\xff\xd8\xff\xe0" + PAGE,
        a_picture("WEBP")[:40],
        a_picture("HEIF")[:200],
        a_talkative_png(),
    ],
    ids=map(str, count()),
)
def test_a_picture_that_cannot_be_decoded_is_refused(content: bytes) -> None:
    assert refusal_of(content) == "image_unreadable"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "HEIF"])
def test_the_bound_in_pixels_is_inclusive(kind: str) -> None:
    content = a_picture(kind, size=(100, 50))
    assert told(content, max_pixels=5_000) is not None
    assert refusal_of(content, max_pixels=4_999) == "image_too_large"


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_the_frames_of_a_picture_count_together(kind: str) -> None:
    content = a_picture(kind, size=(10, 10), frames=20)
    assert told(content, max_pixels=2_000) is not None
    assert refusal_of(content, max_pixels=1_999) == "image_too_large"


def test_frames_are_not_followed_for_ever() -> None:
    content = a_picture("GIF", size=(1, 1), frames=1_001)
    assert refusal_of(content) == "image_too_large"


@pytest.mark.parametrize(
    ("width", "height"), [(8_000, 8_000), (10_000, 10_000), (20_000, 20_000)]
)
def test_a_bomb_is_refused_before_it_is_unpacked(width: int, height: int) -> None:
    # given a picture below, between and above the sizes at which the decoder objects
    content = a_bomb(width, height)
    assert len(content) < width * height / 500
    # then it is refused, and its pixels are not even begun with
    prepare = PngImagePlugin.PngImageFile.load_prepare
    with patch.object(
        PngImagePlugin.PngImageFile, "load_prepare", autospec=True, side_effect=prepare
    ) as begun:
        assert refusal_of(content, max_pixels=50_000_000) == "image_too_large"
        begun.assert_not_called()
        # whereas they are for one that is taken
        told(PNG, max_pixels=50_000_000)
        begun.assert_called()


def test_a_jpeg_cannot_be_read_over_and_over() -> None:
    # given one whose last scan is there a thousand times
    content = a_picture("JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    assert told(content) == "image/jpeg"
    again = content[:-2] + last * 1_000 + content[-2:]
    assert refusal_of(again) == "image_too_large"


@given(
    st.one_of(
        st.binary(max_size=300),
        st.builds(
            lambda head, rest: head + rest,
            st.sampled_from(
                [PNG[:33], b"GIF89a", b"\xff\xd8\xff", FTYP, b"RIFF1234WEBP"]
            ),
            st.binary(max_size=300),
        ),
        st.builds(
            lambda at, new: PNG[:at] + new + PNG[at + len(new) :],
            st.integers(8, len(PNG)),
            st.binary(min_size=1, max_size=4),
        ),
    )
)
def test_anything_is_told_or_refused(content: bytes) -> None:
    try:
        kind = told(content, max_pixels=10_000)
    except Invalid as refused:
        assert refused.code in {  # noqa: PT017
            "image_too_large",
            "image_unreadable",
            "recording_unreadable",
            "text_not_utf8",
        }
    else:
        assert kind is None or "/" in kind
