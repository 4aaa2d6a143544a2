"""Inspects what was uploaded, off the event loop and a few files at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

from anyio import CapacityLimiter, to_thread

from robosure.kernel.errors import Invalid
from robosure.platform.uploads.content import kind_of
from robosure.platform.uploads.declared import contradicts
from robosure.platform.uploads.names import label
from robosure.platform.uploads.scanner import Scanner

INFECTED: Final = "file_infected"
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
    """Tells what uploaded files are, and refuses what they must not be.

    Args:
        max_pixels: how many a picture may have, all its frames together.
        max_unpacked: how many bytes a gzip file may hold.
        scanner: looks for what is known to do harm; None if nobody does.
    """

    def __init__(
        self, *, max_pixels: int, max_unpacked: int, scanner: Scanner | None
    ) -> None:
        self._max_pixels = max_pixels
        self._max_unpacked = max_unpacked
        self._scanner = scanner
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
                ``content_type_contradicted``, ``file_infected``, or what
                ``kind_of`` refuses.
            Unavailable: ``scanner_unavailable``.
        """
        if not content:
            raise Invalid("attachment_empty")
        found = await to_thread.run_sync(
            partial(
                kind_of,
                content,
                max_pixels=self._max_pixels,
                max_unpacked=self._max_unpacked,
            ),
            limiter=self._limiter,
        )
        if found is None or found not in allowed:
            raise Invalid(
                "content_type_not_allowed", found=found, allowed=sorted(allowed)
            )
        if contradicts(declared, found):
            raise Invalid("content_type_contradicted", declared=declared, found=found)
        await self._scan(content)
        return Upload(name=label(name, found), content_type=found, content=content)

    async def _scan(self, content: bytes) -> None:
        if self._scanner is None:
            return
        signature = await self._scanner.signature_in(content)
        if signature is not None:
            raise Invalid(
                INFECTED, signature=signature, sha256=sha256(content).hexdigest()
            )
