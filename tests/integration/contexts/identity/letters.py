"""The letters of identity, as they are sent."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

from robosure.platform.runtime import Runtime

_TOKEN = re.compile(r"rbp_[A-Za-z0-9_-]{43}")


def letters_in(runtime: Runtime) -> list[EmailMessage]:
    """Return the letters that left, in their order."""
    files = sorted(
        runtime.settings.mail_directory.glob("password-*.eml"),
        key=lambda each: each.stat().st_mtime_ns,
    )
    return [
        message_from_bytes(each.read_bytes(), policy=policy.default) for each in files
    ]


def forget_letters(runtime: Runtime) -> None:
    """Begin without any."""
    for each in runtime.settings.mail_directory.glob("password-*.eml"):
        each.unlink()


def token_in(letter: EmailMessage | str) -> str:
    """Return the token that a letter, or its text, holds."""
    text = letter if isinstance(letter, str) else letter.get_content()
    (token,) = _TOKEN.findall(text)
    return str(token)
