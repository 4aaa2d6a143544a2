"""Files as answers: saved by a browser, and never shown as a page of ours."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from fastapi import Response


def download(content: bytes, *, name: str, media_type: str, sha256: str) -> Response:
    """Answer with a file, its hash as its tag.

    Text is UTF-8: other text is not taken in.
    """
    text = media_type.startswith("text/")
    return Response(
        content,
        headers={
            "Content-Type": f"{media_type}; charset=utf-8" if text else media_type,
            "Content-Disposition": attachment(name),
            "ETag": f'"{sha256}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def attachment(name: str) -> str:
    """Return the ``Content-Disposition`` of a file to save (RFC 6266).

    The name is given twice where it takes more than plain letters: as clients of old
    read it, and as it is.
    """
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^\w .-]", "_", letters, flags=re.ASCII)
    said = f'attachment; filename="{plain}"'
    return said if plain == name else f"{said}; filename*=UTF-8''{quote(name, safe='')}"
