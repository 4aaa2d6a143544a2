"""A recording's boxes fill it, and are those of a movie."""

from __future__ import annotations

import struct
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.kernel.errors import Invalid
from robosure.platform.uploads.recordings import recording_type
from tests.uploads import FTYP, MDAT, MP4, PAGE, a_box, a_movie, a_track

LONG_MDAT = struct.pack(">I4sQ", 1, b"mdat", 20) + bytes(4)
MDAT_TO_THE_END = struct.pack(">I4s", 0, b"mdat") + bytes(40)


@pytest.mark.parametrize(
    "content",
    [
        MP4,
        FTYP + a_movie(a_track()) + MDAT,
        FTYP + a_movie(a_track()) + LONG_MDAT,
        FTYP + a_movie(a_track()) + MDAT_TO_THE_END,
        # as phones and dashboard cameras make them
        FTYP
        + a_box(b"wide")
        + MDAT
        + a_box(b"free", bytes(9))
        + MP4[len(FTYP + MDAT) :],
        FTYP + a_movie(a_track(), a_track(b"meta"), a_box(b"udta", b"any")) + MDAT,
        FTYP + a_movie(a_track()) + (a_box(b"moof", bytes(9)) + MDAT) * 3,
    ],
    ids=map(str, count()),
)
def test_a_whole_recording_is_taken(content: bytes) -> None:
    assert recording_type(content) == "video/mp4"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        FTYP,
        FTYP + MDAT,
        FTYP + a_movie(a_track()),
        FTYP + a_movie() + MDAT,
        FTYP + a_movie(a_track(b"soun")) + MDAT,
        FTYP + a_movie(a_track(), a_track(b"evil")) + MDAT,
        FTYP + a_box(b"moov", a_track()) + MDAT,
        FTYP + FTYP + a_movie(a_track()) + MDAT,
        MP4 + a_movie(a_track()),
        MDAT + FTYP + a_movie(a_track()),
        MP4 + a_box(b"MZ\x90\x00", bytes(9)),
        MP4 + PAGE,
        MP4 + b"\x00" * 4,
        MP4 + struct.pack(">I4s", 7, b"free"),
        MP4 + struct.pack(">I4s", 1, b"free"),
        MP4 + struct.pack(">I4sQ", 1, b"free", 15),
        MP4 + struct.pack(">I4sQ", 1, b"free", 2**63),
        MP4 + struct.pack(">I4s", 2**31, b"free"),
        MP4[:-1],
        FTYP + a_box(b"moov", a_box(b"mvhd"), struct.pack(">I4s", 0, b"trak")) + MDAT,
        FTYP + a_movie(a_track()) + MDAT + a_box(b"free") * 20_000,
        *(
            FTYP + a_movie(a_track(without=each)) + MDAT
            for each in b"trak tkhd mdia mdhd hdlr minf stbl stsd stts stsc".split()
        ),
    ],
    ids=map(str, count()),
)
def test_what_is_no_whole_recording_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid, match="recording unreadable"):
        recording_type(content)


@given(st.data())
def test_anything_is_told_or_refused(data: st.DataObject) -> None:
    content = bytearray(MP4)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for each in (bytes(content), bytes(content[:cut]), FTYP + bytes(content[cut:])):
        try:
            told = recording_type(each)
        except Invalid as refused:
            assert refused.code == "recording_unreadable"  # noqa: PT017
        else:
            assert told == "video/mp4"
