"""The token of a letter is good for a while, and the last one written alone."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from robosure.contexts.identity.domain import (
    OF_PASSWORDS,
    OF_SECOND_FACTORS,
    LetterKind,
    Organisation,
    OrganisationKind,
    PasswordLetter,
    User,
    digest_of_token,
)
from robosure.kernel.errors import Invalid

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def ada() -> User:
    organisation = Organisation.register(
        kind=OrganisationKind.INSURER,
        name="Acme",
        email="office@acme.example",
        country="GB",
        at=NOON,
    )
    return User.register(
        organisation,
        email="ada@acme.example",
        name="Ada",
        password_hash="hash",
        roles=["support"],
        at=NOON,
    )


def test_one_is_asked_for_by_an_address_in_any_case() -> None:
    letter = PasswordLetter.reset(" Ada@ACME.example", at=NOON)
    assert (letter.kind, letter.email) == (LetterKind.RESET, "ada@acme.example")
    assert (letter.requested_at, letter.due_at) == (NOON, NOON)
    assert letter.user_id is None
    assert letter.expires_at is None


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(Invalid):
        PasswordLetter.reset("nobody", at=NOON)


@pytest.mark.parametrize(
    ("letter", "lifetime"),
    [
        (PasswordLetter.reset("ada@acme.example", at=NOON), timedelta(minutes=30)),
        (PasswordLetter.invitation(ada(), at=NOON), timedelta(hours=72)),
        (PasswordLetter.second_factor(ada(), at=NOON), timedelta(minutes=10)),
    ],
)
def test_its_token_is_good_from_when_it_is_written_until_its_time_is_over(
    letter: PasswordLetter, lifetime: timedelta
) -> None:
    # given one that nobody has written yet
    assert not letter.opens_at(NOON)
    # when it is written ten minutes later
    user, later = ada(), NOON + timedelta(minutes=10)
    token = letter.write(user, at=later)
    # then it is about that user, and what is kept of the token does not tell it
    assert letter.user_id == user.id
    assert letter.digest == hashlib.sha256(token.encode()).digest()
    assert letter.digest == digest_of_token(token)
    assert token not in repr(letter)
    assert str(letter.digest) not in repr(letter)
    # and it is good until its time is over
    assert letter.expires_at == later + lifetime
    assert letter.opens_at(later + lifetime - timedelta(microseconds=1))
    assert not letter.opens_at(later + lifetime)


def test_a_token_has_256_random_bits() -> None:
    letter, user = PasswordLetter.reset("ada@acme.example", at=NOON), ada()
    tokens = {letter.write(user, at=NOON) for _ in range(50)}
    assert len(tokens) == 50
    assert {(each[:4], len(each)) for each in tokens} == {("rbp_", 4 + 43)}


def test_what_is_no_text_is_the_token_of_none() -> None:
    assert len(digest_of_token("\ud800")) == 32


def test_what_is_written_again_is_due_later_each_time_and_has_another_token() -> None:
    letter, user = PasswordLetter.invitation(ada(), at=NOON), ada()
    first = letter.write(user, at=NOON)
    waits = [letter.due_at]
    for _ in range(11):
        letter.write(user, at=NOON)
        waits.append(letter.due_at)
    minutes = [each - NOON for each in waits if each is not None]
    assert minutes == [
        timedelta(minutes=each) for each in (1, 2, 4, 8, 16, 32, *[60] * 6)
    ]
    assert letter.attempts == 12
    assert letter.digest != digest_of_token(first)
    # until that is settled
    letter.settle()
    assert letter.due_at is None
    assert letter.opens_at(NOON)


def test_nobody_waits_for_one_longer_than_its_token_would_be_good() -> None:
    letter = PasswordLetter.reset("ada@acme.example", at=NOON)
    assert not letter.is_too_late_at(NOON + timedelta(minutes=29, seconds=59))
    assert letter.is_too_late_at(NOON + timedelta(minutes=30))


def test_letters_end_those_of_their_own_subject_alone() -> None:
    assert LetterKind.RESET.rivals == LetterKind.INVITATION.rivals == OF_PASSWORDS
    assert LetterKind.SECOND_FACTOR.rivals == OF_SECOND_FACTORS
    assert not OF_PASSWORDS & OF_SECOND_FACTORS
    assert LetterKind.SECOND_FACTOR_LOST.rivals == frozenset()


def test_somebody_is_told_of_whose_second_factor_is_lost() -> None:
    administrator, person = ada(), ada()
    letter = PasswordLetter.second_factor_lost(administrator, about=person, at=NOON)
    assert (letter.user_id, letter.about_id) == (administrator.id, person.id)
    assert PasswordLetter.second_factor(person, at=NOON).about_id is None
