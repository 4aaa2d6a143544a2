"""An authenticator app is asked once it is confirmed, and each code is good once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from robosure.contexts.identity.domain import (
    RECOVERY_CODES,
    Factor,
    Reading,
    SecondFactor,
    Session,
)
from robosure.kernel.errors import InvalidState, Unauthenticated
from robosure.kernel.ids import uuid7

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEP = 59_080_000
NOW = Reading(STEP, 0)


def begun() -> SecondFactor:
    return SecondFactor.begin(
        organisation_id=uuid7(), user_id=uuid7(), sealed_secret="sealed", at=NOON
    )


def confirmed() -> tuple[SecondFactor, list[str]]:
    factor = begun()
    return factor, factor.confirm(NOW, at=NOON)


def test_what_is_not_confirmed_may_begin_again_with_another_secret() -> None:
    factor = begun()
    factor.begin_again(sealed_secret="another", at=NOON + timedelta(minutes=1))
    assert factor.sealed_secret == "another"
    assert factor.begun_at == NOON + timedelta(minutes=1)
    assert factor.confirmed_at is None


def test_what_is_confirmed_is_neither_begun_nor_confirmed_again() -> None:
    factor, _ = confirmed()
    with pytest.raises(InvalidState, match="second factor exists"):
        factor.begin_again(sealed_secret="another", at=NOON)
    with pytest.raises(InvalidState, match="second factor exists"):
        factor.confirm(Reading(STEP + 1, 0), at=NOON)
    assert factor.sealed_secret == "sealed"


def test_a_wrong_code_confirms_nothing() -> None:
    factor = begun()
    with pytest.raises(Unauthenticated, match="wrong second factor"):
        factor.confirm(None, at=NOON)
    assert factor.confirmed_at is None
    assert factor.recovery_digests == ()


@pytest.mark.parametrize("read", [None, NOW, Reading(STEP - 1, 0)])
def test_a_code_that_is_wrong_or_used_or_before_one_that_was_is_refused(
    read: Reading | None,
) -> None:
    factor, _ = confirmed()
    with pytest.raises(Unauthenticated, match="wrong second factor"):
        factor.use(read)
    factor.use(Reading(STEP + 1, 0))


@pytest.mark.parametrize("ahead", [-1, 1])
def test_a_code_is_good_in_its_step_alone(ahead: int) -> None:
    factor, _ = confirmed()
    with pytest.raises(Unauthenticated, match="wrong second factor"):
        factor.use(Reading(STEP + 2, ahead))
    assert (factor.last_step, factor.ahead) == (STEP, 0)


def test_a_clock_that_is_off_is_learned_from_two_codes_and_kept() -> None:
    # given a telephone that is half a minute slow
    factor, _ = confirmed()
    # when its second code comes after the first was refused
    factor.use(Reading(STEP + 5, -1), missed=Reading(STEP + 4, -1))
    # then its codes are taken from now on, and those of our clock are not
    assert factor.ahead == -1
    factor.use(Reading(STEP + 6, -1))
    with pytest.raises(Unauthenticated, match="wrong second factor"):
        factor.use(Reading(STEP + 8, 0))


@pytest.mark.parametrize(
    "missed",
    [
        None,
        Reading(STEP + 3, 1),
        Reading(STEP + 4, -1),
        Reading(STEP + 5, -1),
        Reading(STEP, -1),
    ],
    ids=[
        "none",
        "another distance",
        "the same",
        "a later one",
        "before a good one",
    ],
)
def test_what_does_not_show_a_clock_that_is_off_teaches_nothing(
    missed: Reading | None,
) -> None:
    factor, _ = confirmed()
    with pytest.raises(Unauthenticated, match="wrong second factor"):
        factor.use(Reading(STEP + 4, -1), missed=missed)
    assert (factor.last_step, factor.ahead) == (STEP, 0)


def test_another_secret_is_of_another_clock() -> None:
    factor = begun()
    factor.ahead = 2
    factor.begin_again(sealed_secret="another", at=NOON)
    assert factor.ahead == 0


def test_recovery_codes_are_long_all_different_and_not_kept() -> None:
    factor, codes = confirmed()
    assert len(set(codes)) == RECOVERY_CODES
    assert {len(code.replace("-", "")) for code in codes} == {32}
    assert len(factor.recovery_digests) == RECOVERY_CODES
    assert not set(codes) & set(factor.recovery_digests)
    assert "recovery" not in repr(factor)


def test_a_recovery_code_is_good_once_however_it_is_typed() -> None:
    factor, codes = confirmed()
    assert factor.use_recovery_code(f" {codes[0].lower().replace('-', ' ')} ")
    assert not factor.use_recovery_code(codes[0])
    assert factor.use_recovery_code(codes[1].replace("-", ""))
    assert len(factor.recovery_digests) == RECOVERY_CODES - 2
    assert not factor.use_recovery_code("")


def test_new_recovery_codes_end_the_old_ones() -> None:
    factor, old = confirmed()
    new = factor.renew_recovery_codes()
    assert not factor.use_recovery_code(old[0])
    assert factor.use_recovery_code(new[0])


def test_one_that_is_lost_asks_for_nothing_until_another_is_confirmed() -> None:
    # given
    factor, codes = confirmed()
    # when
    factor.lose(at=NOON)
    # then neither app nor recovery codes are worth anything
    states = [(factor.is_lost, factor.is_asked_for)]
    assert not factor.use_recovery_code(codes[0])
    # and it stays lost while another secret is shown, until that is confirmed
    factor.begin_again(sealed_secret="another", at=NOON)
    states.append((factor.is_lost, factor.is_asked_for))
    factor.confirm(NOW, at=NOON)
    states.append((factor.is_lost, factor.is_asked_for))
    assert states == [(True, False), (True, False), (False, True)]


def test_a_second_factor_that_is_due_is_due_until_it_is_proven() -> None:
    session = Session.begin(
        organisation_id=uuid7(), user_id=uuid7(), factors=[Factor.PASSWORD],
        at=NOON, lifetime=timedelta(days=7), address="198.51.100.7",
        second_factor_due=True,
    )  # fmt: skip
    due: list[bool] = []
    for factor, wanted in (
        (Factor.PASSWORD, False), (Factor.ONE_TIME_CODE, False), (Factor.PASSWORD, True)
    ):  # fmt: skip
        session.prove(factor, at=NOON, second_factor_due=wanted)
        due.append(session.second_factor_due)
    assert due == [True, False, True]


def test_proving_again_who_one_is_is_noted_on_the_session() -> None:
    session = Session.begin(
        organisation_id=uuid7(), user_id=uuid7(), factors=[Factor.PASSWORD],
        at=NOON, lifetime=timedelta(days=7), address="198.51.100.7",
    )  # fmt: skip
    later = NOON + timedelta(hours=1)
    session.prove(Factor.ONE_TIME_CODE, at=later)
    assert (session.started_at, session.authenticated_at) == (NOON, later)
    assert session.factors == ("otp", "pwd")


def test_who_proves_it_without_the_second_factor_has_none_any_more() -> None:
    session = Session.begin(
        organisation_id=uuid7(), user_id=uuid7(),
        factors=[Factor.PASSWORD, Factor.ONE_TIME_CODE],
        at=NOON, lifetime=timedelta(days=7), address="198.51.100.7",
    )  # fmt: skip
    session.prove(Factor.PASSWORD, at=NOON)
    assert session.factors == ("pwd",)
