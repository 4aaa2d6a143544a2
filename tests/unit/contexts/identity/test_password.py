"""Which passwords are taken, and what a refusal says."""

from __future__ import annotations

import pytest

from robosure.contexts.identity.domain import breached_password, check_password
from robosure.kernel.errors import Invalid

COMMON = frozenset({"password", "123456789", "leavemealone", "dragon", "a"})
ABOUT = ("ada.lovelace@analytical.example", "Ada Lovelace", "Engine & Söhne 1843")


def refusal(password: str) -> Invalid:
    with pytest.raises(Invalid) as error:
        check_password(password, common=COMMON, about=ABOUT)
    # the reason is told, and the password never
    assert [(each.field, each.code) for each in error.value.errors] == [
        ("password", error.value.code)
    ]
    assert password not in f"{error.value}{error.value.details}"
    return error.value


@pytest.mark.parametrize(
    "password",
    [
        "twelve chars",
        "correct horse battery staple",
        "tasswordpasswort",  # no common one, though nearly
        "p" + "x1" * 127,  # long ones are not cut
        "84739205718364",  # digits alone may be as good as any
        "пароль из слов",
        "lovelace wrote of numbers",  # a third of it is her name
        "a penguin in the dark",
    ],
)
def test_a_password_needs_nothing_but_length(password: str) -> None:
    check_password(password, common=COMMON, about=ABOUT)


@pytest.mark.parametrize(
    "password",
    [
        "eleven char",
        "e\u0301" * 11,  # eleven characters, though twice as many code points
        "",
    ],
)
def test_a_password_has_twelve_characters(password: str) -> None:
    with pytest.raises(Invalid) as error:
        check_password(password, common=COMMON)
    assert (error.value.code, error.value.details) == (
        "password_too_short",
        {"minimum": 12},
    )
    assert error.value.errors[0].detail == "at least 12 characters"


@pytest.mark.parametrize(
    "password",
    [
        "leavemealone",
        "LeaveMeAlone",
        "leavemealone!",
        "password1234",
        "Password_2026!",
        "2026-password!",
        "\uff50\uff41\uff53\uff53word1234",  # in wide letters
        "passwordpassword",
        "PasswordPassword99",
        "dragondragondragon",
        "123456789!!!",
        "123456789012",
        "aaaaaaaaaaaa",
        "a12345678901",
    ],
)
def test_a_common_password_stays_common_however_it_is_dressed_up(
    password: str,
) -> None:
    assert refusal(password).code == "password_too_common"


@pytest.mark.parametrize(
    "password",
    [
        "ada.lovelace@analytical.example",
        "AdaLovelace1815",
        "lovelace-lovelace",
        "my Lovelace 12",
        "robosure2026!",
        "Robosure rocks",
        "analytical engine",
        "SÖHNE söhne 43!",
    ],
)
def test_a_password_about_the_person_is_refused(password: str) -> None:
    assert refusal(password).code == "password_too_personal"


def test_without_letters_a_password_is_about_nobody() -> None:
    check_password("8473-9205-7183", common=COMMON, about=("8473 9205 7183",))


def test_a_breached_password_is_refused_without_being_repeated() -> None:
    refused = breached_password()
    assert refused.code == "password_breached"
    assert [(each.field, each.code) for each in refused.errors] == [
        ("password", "password_breached")
    ]
