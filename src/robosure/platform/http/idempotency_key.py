"""The header ``Idempotency-Key``: which intent a request belongs to.

As draft-ietf-httpapi-idempotency-key-header-07 says, it is a String of structured
fields (RFC 8941): visible, in quotes. Most clients send the text alone, which is taken
too; both name the same key. What is neither is answered ``400``, see ``problems``.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Header
from pydantic import AfterValidator, Field

NAME: Final = "Idempotency-Key"
LONGEST: Final = 255
_QUOTED: Final = r'"(?:[ !#-\[\]-~]|\\["\\])'
_BARE: Final = r"[!#-+.-~-]"  # nothing that separates keys: no space and no comma
_PATTERN: Final = rf'^(?:{_QUOTED}{{1,{LONGEST}}}"|{_BARE}{{1,{LONGEST}}})$'
_ESCAPED: Final = re.compile(r'\\(["\\])')


def named_by(value: str) -> str:
    """Return the key itself: what a quoted one has in its quotes."""
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


IdempotencyKey = Annotated[
    Annotated[str, Field(pattern=_PATTERN), AfterValidator(named_by)] | None,
    Header(
        alias=NAME,
        description="Makes repeating this safe: a fresh UUID per intent.",
    ),
]
"""The key that a request was sent with, if any."""
