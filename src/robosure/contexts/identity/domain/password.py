"""Which passwords are taken: long ones that are neither common nor about the person.

As NIST SP 800-63B and ASVS 5.0 section 6.2 advise, nothing is asked of the characters
themselves, and what is taken is hashed and verified exactly as it was typed. Case,
width and the like are only made alike here, to compare.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable
from itertools import chain
from typing import Final

from robosure.kernel.errors import FieldError, Invalid

MINIMUM_PASSWORD_LENGTH: Final = 12

_PRODUCT: Final = "robosure"
_SHORTEST_WORD: Final = 4
_NO_LETTERS: Final = re.compile(r"[\W\d_]+")
_DECORATION_BEHIND: Final = re.compile(r"[\W\d_]+\Z")
_DECORATION_BEFORE: Final = re.compile(r"\A[\W\d_]+")


def check_password(
    password: str, *, common: Container[str], about: Iterable[str] = ()
) -> None:
    """Refuse a password that others would try.

    A common one stays common in capitals, with digits and punctuation around it, or
    written several times over. One is about the person if half of its letters or more
    are a word of at least four letters from what is known of them (ASVS 6.2.11).

    Args:
        password: as it was typed.
        common: passwords that many people have, in lower case.
        about: the person's e-mail address, their name, and their organisation's.

    Raises:
        Invalid: it has fewer than twelve characters, counted after NFKC; it is common;
            or it is about the person. The code says which, and nothing repeats it.
    """
    plain = unicodedata.normalize("NFKC", password)
    if len(plain) < MINIMUM_PASSWORD_LENGTH:
        raise _refusal(
            "password_too_short",
            f"at least {MINIMUM_PASSWORD_LENGTH} characters",
            minimum=MINIMUM_PASSWORD_LENGTH,
        )
    plain = plain.casefold()
    if any(each in common for each in _cores(plain)):
        raise _refusal("password_too_common", "not one that many people have")
    if _is_mainly(plain, _words([_PRODUCT, *about])):
        raise _refusal(
            "password_too_personal",
            "not mainly one's name, e-mail address, organisation or this product",
        )


def breached_password() -> Invalid:
    """Refuse a password that was found in a breach: others try these first."""
    return _refusal("password_breached", "not one that was found in a data breach")


def _refusal(code: str, detail: str, **details: object) -> Invalid:
    return Invalid(code, errors=[FieldError("password", code, detail)], **details)


def _cores(plain: str) -> set[str]:
    """Return what is left without decoration and repetition, in every reading.

    What stands before a tail of digits may end in digits itself, as 123456789 in
    123456789000; that counts where it is half of the password.
    """
    cores = {plain, _DECORATION_BEHIND.sub("", plain)}
    cores |= {_DECORATION_BEFORE.sub("", core) for core in cores}
    tail = len(_DECORATION_BEHIND.sub("", plain))
    cores |= {
        plain[:end] for end in range(max(tail, (len(plain) + 1) // 2), len(plain))
    }
    return {_unit(core) for core in cores if core}


def _unit(text: str) -> str:
    """Return what a text is a repetition of, itself if of nothing shorter."""
    return text[: (text + text).index(text, 1)]


def _words(about: Iterable[str]) -> set[str]:
    """Return the texts' words, and each text as one word, in letters alone."""
    plain = [unicodedata.normalize("NFKC", each).casefold() for each in about]
    parts = chain.from_iterable(_NO_LETTERS.split(each) for each in plain)
    wholes = (_NO_LETTERS.sub("", each) for each in plain)
    return {each for each in chain(parts, wholes) if len(each) >= _SHORTEST_WORD}


def _is_mainly(plain: str, words: Iterable[str]) -> bool:
    """Say whether the words make up half of its letters or more."""
    letters = _NO_LETTERS.sub("", plain)
    known: set[int] = set()
    for word in words:
        at = letters.find(word)
        while at >= 0:
            known.update(range(at, at + len(word)))
            at = letters.find(word, at + 1)
    return bool(known) and 2 * len(known) >= len(letters)
