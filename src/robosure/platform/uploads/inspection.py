"""Inspects what was uploaded, off the event loop and a few files at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from anyio import CapacityLimiter, to_thread

from robosure.kernel.errors import Invalid
from robosure.platform.uploads.content import kind_of
from robosure.platform.uploads.declared import contradicts
from robosure.platform.uploads.names import label

_AT_ONCE: Final = 2
"""A picture takes up to four bytes of memory per pixel while it is decoded."""


@dataclass(frozen=True)
class Upload:
    """A file that was inspected.

    Attributes:
        name: a label for people; never a path.
        content_type: what the content was found to be.
    """

    name: str
    content_type: str
    content: bytes


class Inspector:
    """Tells what uploaded files are, and refuses what they must not be."""

    def __init__(self, *, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._limiter = CapacityLimiter(_AT_ONCE)

    async def inspect(
        self,
        content: bytes,
        *,
        name: str | None,
        declared: str | None,
        allowed: Collection[str],
    ) -> Upload:
        """Tell what a file is.

        Args:
            content: all of it.
            name: as the client gave it.
            declared: the media type, as the client gave it.
            allowed: media types that are taken.

        Raises:
            Invalid: ``attachment_empty``, ``content_type_not_allowed``,
                ``content_type_contradicted``, ``image_too_large`` or
                ``image_unreadable``.
        """
        if not content:
            raise Invalid("attachment_empty")
        found = await to_thread.run_sync(
            partial(kind_of, content, max_pixels=self._max_pixels),
            limiter=self._limiter,
        )
        if found is None or found not in allowed:
            raise Invalid(
                "content_type_not_allowed", found=found, allowed=sorted(allowed)
            )
        if contradicts(declared, found):
            raise Invalid("content_type_contradicted", declared=declared, found=found)
        return Upload(name=label(name, found), content_type=found, content=content)
