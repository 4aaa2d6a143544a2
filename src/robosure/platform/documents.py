"""Documents: a typst template and data become a PDF, in a thread, in some 30 ms."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import typst


async def compile_pdf(template: str, data: dict[str, Any]) -> bytes:
    """Typeset a template.

    Args:
        template: typst source; it reads its data with
            ``json(bytes(sys.inputs.data))``.
        data: JSON-serialisable.

    Raises:
        typst.TypstError: the template is wrong.
    """
    inputs = {"data": orjson.dumps(data).decode()}
    return await asyncio.to_thread(_compile, template, inputs)


def _compile(template: str, inputs: dict[str, str]) -> bytes:
    return typst.compile(template.encode(), sys_inputs=inputs)
