"""PDF documents: read by a library in a process of its own, within memory and time.

Refused are those that cannot be looked into, and those that do something by themselves
or bring along files that were not looked at.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from robosure.kernel.errors import Invalid
from robosure.platform.logging import get_logger
from robosure.platform.uploads import pdf_reader

_READER: Final = Path(pdf_reader.__file__)
_PATIENCE_SECONDS: Final = 30.0
"""Thrice the processor's time that it may take, for a machine that is busy."""
_REFUSALS: Final = {
    pdf_reader.ACTIVE: "document_active",
    pdf_reader.COMPLEX: "document_too_complex",
    pdf_reader.ENCRYPTED: "document_encrypted",
    pdf_reader.UNREADABLE: "document_unreadable",
}


def document_type(content: bytes) -> str:
    """Return the media type of a PDF that only shows what is in it.

    Raises:
        Invalid: ``document_unreadable``, ``document_encrypted``, ``document_active`` or
            ``document_too_complex``.
    """
    verdict = _verdict(content)
    if verdict != pdf_reader.SOUND:
        raise Invalid(_REFUSALS[verdict])
    return "application/pdf"


def _verdict(content: bytes) -> str:
    """Have it read; what the reader does not survive is too complex."""
    try:
        done = subprocess.run(  # noqa: S603 # nosec B603 - our own file, no shell
            [sys.executable, "-I", str(_READER)],
            input=content,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
            env={},
        )
    except subprocess.TimeoutExpired:
        return pdf_reader.COMPLEX
    verdict = done.stdout.decode("ascii", "replace")
    if verdict == pdf_reader.SOUND or verdict in _REFUSALS:
        return verdict
    get_logger().warning(
        "platform.uploads.reader_died",
        status=done.returncode,
        reason=done.stderr[-200:].decode("utf-8", "replace"),
    )
    return pdf_reader.COMPLEX
