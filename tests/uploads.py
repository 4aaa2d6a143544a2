"""Files as people upload them, and as people should not; made by real libraries."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pillow_heif
import pypdf
from PIL import Image, PngImagePlugin
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

pillow_heif.register_heif_opener()

CSV = b"time,joint,amperes\r\n0.0,1,0.12\r\n0.1,1,0.14\r\n"
JSON = b'{"robot": "UR3", "samples": [{"at": 0.0, "amperes": 0.12}]}'
PAGE = b"<!doctype html><script>alert(document.domain)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


def a_box(kind: bytes, *inside: bytes) -> bytes:
    """Make a box of an MP4 file."""
    content = b"".join(inside)
    return struct.pack(">I", 8 + len(content)) + kind + content


def a_track(kind: bytes = b"vide", *, without: bytes = b"") -> bytes:
    """Make a track of no samples; without one of its boxes, if that is said."""

    def box(name: bytes, *inside: bytes) -> bytes:
        return b"" if name == without else a_box(name, *inside)

    handler = bytes(8) + kind + bytes(13)
    tables = [box(each, bytes(8)) for each in (b"stsd", b"stts", b"stsc")]
    return box(
        b"trak",
        box(b"tkhd", bytes(84)),
        box(
            b"mdia",
            box(b"mdhd", bytes(24)),
            box(b"hdlr", handler),
            box(b"minf", box(b"stbl", *tables)),
        ),
    )


FTYP = a_box(b"ftyp", b"isom", bytes(4), b"isommp42")
MDAT = a_box(b"mdat", b"\x65" * 32)


def a_movie(*tracks: bytes) -> bytes:
    return a_box(b"moov", a_box(b"mvhd", bytes(100)), *tracks)


MP4 = FTYP + MDAT + a_movie(a_track(), a_track(b"soun"))
"""The boxes of a recording, of which no picture can be shown."""


def a_picture(
    kind: str, *, size: tuple[int, int] = (48, 32), frames: int = 1, **how: Any
) -> bytes:
    """Make a picture: PNG, JPEG, MPO, GIF, WEBP, HEIF, AVIF, BMP, TIFF."""
    first, *others = (
        Image.new("RGB", size, (200, 40 + each % 2 * 99, 40)) for each in range(frames)
    )
    if others:
        how |= {"save_all": True, "append_images": others}
    file = BytesIO()
    first.save(file, kind, **how)
    return file.getvalue()


PNG = a_picture("PNG")


def a_pdf(change: Callable[[pypdf.PdfWriter], object] | None = None) -> bytes:
    """Make a PDF of one empty page, changed as wanted."""
    writer, file = pypdf.PdfWriter(), BytesIO()
    writer.add_blank_page(width=200, height=100)
    if change is not None:
        change(writer)
    writer.write(file)
    return file.getvalue()


PDF = a_pdf()


def with_a_script(writer: pypdf.PdfWriter) -> None:
    """Let a PDF run a script as it is opened."""
    does = DictionaryObject(
        {
            NameObject("/S"): NameObject("/JavaScript"),
            NameObject("/JS"): TextStringObject("app.alert(1)"),
        }
    )
    writer.root_object[NameObject("/OpenAction")] = does


def encrypted(writer: pypdf.PdfWriter) -> None:
    """Let anybody read a PDF, and its owner alone print it."""
    writer.encrypt("", "owner", algorithm="RC4-128")


def a_gzip(content: bytes = JSON) -> bytes:
    return gzip.compress(content, mtime=0)


def a_bomb(width: int = 20_000, height: int = 20_000) -> bytes:
    """Make a PNG of a few kilobytes with as many pixels as that says."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = b"\x00" * (1 + (width + 7) // 8)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)


def a_talkative_png() -> bytes:
    """Make a small PNG whose comment unpacks to ten million letters."""
    comment = PngImagePlugin.PngInfo()
    comment.add_text("Comment", "x" * 10_000_000, zip=True)
    return a_picture("PNG", pnginfo=comment)


def _chunk(name: bytes, content: bytes) -> bytes:
    summed = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", summed)
