"""Pictures: decoded as far as it takes to know that they can be, within bounds.

What a picture will take is in its header, and is asked before it is decoded.
"""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Final

import pillow_heif
from PIL import Image

from robosure.kernel.errors import Invalid
from robosure.platform.logging import get_logger

SIGNED_AS_PICTURES: Final = frozenset(
    {
        "image/apng",
        "image/gif",
        "image/heic",
        "image/jpeg",
        "image/png",
        "image/webp",
    }
)
_MEDIA_TYPES: Final = {
    "GIF": "image/gif",
    "HEIF": "image/heic",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # a JPEG with more of the same in its wake, as phones take it
    "PNG": "image/png",
    "WEBP": "image/webp",
}
_OPENED: Final = ("GIF", "HEIF", "JPEG", "PNG", "WEBP")
_MOST_FRAMES: Final = 1_000
_MOST_SCANS: Final = 50
"""A progressive JPEG has ten or so; each costs as much as the picture has pixels."""
_START_OF_SCAN: Final = b"\xff\xda"

pillow_heif.register_heif_opener()
# Pillow doubts itself at one size and refuses at twice that; here either is too large.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def picture_type(content: bytes, *, max_pixels: int) -> str:
    """Return the media type of a picture that can be shown.

    Args:
        content: all of it.
        max_pixels: how many it may have, all its frames together.

    Raises:
        Invalid: ``image_too_large`` if it has more, or so many frames or scans that
            decoding them is work without end; ``image_unreadable``.
    """
    if content.count(_START_OF_SCAN) > _MOST_SCANS and content.startswith(b"\xff\xd8"):
        raise _too_large(max_pixels)
    try:
        with Image.open(BytesIO(content), formats=_OPENED) as image:
            media_type = _MEDIA_TYPES[image.format or ""]
            _decode(image, max_pixels=max_pixels)
    except Invalid:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(max_pixels) from error
    except Exception as error:
        get_logger().info("platform.uploads.image_refused", reason=repr(error)[:200])
        raise Invalid("image_unreadable") from error
    return media_type


def _decode(image: Image.Image, *, max_pixels: int) -> None:
    """Decode frame by frame, each only if it is within the bounds."""
    frames = pixels = 0
    while True:
        frames += 1
        pixels += image.width * image.height
        if pixels > max_pixels or frames > _MOST_FRAMES:
            raise _too_large(max_pixels)
        image.load()
        if image.format == "MPO":  # what follows is made from the first
            return
        try:
            image.seek(frames)
        except EOFError:
            return


def _too_large(max_pixels: int) -> Invalid:
    return Invalid("image_too_large", limit_pixels=max_pixels)
