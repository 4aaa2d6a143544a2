"""URLs that somebody else wrote down, for the platform to call."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

from robosure.kernel.errors import FieldError

LONGEST_URL: Final = 2_000


def rules_broken(field: str, url: str, *, plain: bool) -> list[FieldError]:
    """Return each rule that a URL breaks which is to be called.

    Args:
        field: where it was written.
        url: as it was written.
        plain: whether HTTP without TLS will do, too.
    """
    return [FieldError(field, code, detail) for code, detail in _broken(url, plain)]


def _broken(url: str, plain: bool) -> list[tuple[str, str]]:  # noqa: FBT001 - of one caller
    if len(url) > LONGEST_URL:
        return [("url_too_long", f"at most {LONGEST_URL} characters")]
    parts = _parts_of(url)
    if parts is None or not parts.hostname:
        return [("not_a_url", "an absolute URL in ASCII, such as https://a.example/in")]
    schemes = ("https", "http") if plain else ("https",)
    rules = (
        (parts.scheme in schemes, "not_https", "it must begin with https://"),
        ("@" not in parts.netloc, "credentials_in_url", "no user name or password"),
        (not parts.fragment, "fragment_in_url", "no #fragment; it is never sent"),
    )
    return [(code, detail) for kept, code, detail in rules if not kept]


def _parts_of(url: str) -> SplitResult | None:
    """Take a URL apart; None if it is none that every parser reads alike."""
    if not url.isascii() or any(each <= " " or each in '\\"<>^`{|}' for each in url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # refused only when it is asked for
    except ValueError:
        return None
    return parts
