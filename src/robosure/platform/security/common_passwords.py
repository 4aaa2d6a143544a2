"""The passwords that many people have, out of zxcvbn's lists."""

from __future__ import annotations

from functools import cache
from typing import Final

_MOST_COMMON: Final = 3_000


@cache
def common_passwords() -> frozenset[str]:
    """Return at least the 3,000 most common ones, in lower case.

    zxcvbn names each word once, in that of its lists where it ranks highest: *michael*
    is among the names and not among the passwords. A password of rank 3,000 or better
    is therefore among the first 3,000 of one list or another, and all of these are
    taken.

    The lists take about a tenth of a second to read, so this is for a thread.
    """
    from zxcvbn.frequency_lists import (  # noqa: PLC0415 - read when it is needed
        FREQUENCY_LISTS,
    )

    return frozenset(
        word.casefold()
        for words in FREQUENCY_LISTS.values()
        for word in words[:_MOST_COMMON]
    )
