"""How long somebody stays signed in, and what a refresh token is good for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from robosure.contexts.identity.domain import (
    GRACE,
    Ending,
    Factor,
    RefreshTokens,
    Session,
)
from robosure.kernel.errors import Unauthenticated
from robosure.kernel.ids import uuid7

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
IDLE = timedelta(hours=12)
LIFETIME = timedelta(days=7)
TICK = timedelta(microseconds=1)


def a_session(**given: str | None) -> Session:
    return Session.begin(
        organisation_id=uuid7(),
        user_id=uuid7(),
        factors=[Factor.PASSWORD],
        at=NOON,
        lifetime=LIFETIME,
        address="198.51.100.7",
        user_agent=given.get("user_agent"),
    )


def test_a_session_begins_with_its_first_token() -> None:
    session = a_session(user_agent="a browser")
    assert (session.generation, session.factors) == (1, ("pwd",))
    assert session.started_at == session.authenticated_at == session.refreshed_at
    assert session.expires_at == NOON + LIFETIME
    assert session.user_agent == "a browser"


def test_a_long_name_of_a_client_is_cut() -> None:
    assert len(a_session(user_agent="x" * 9_000).user_agent or "") == 500


def test_each_token_is_answered_by_the_next() -> None:
    session = a_session()
    for generation in (1, 2, 3):
        assert session.refresh(generation, at=NOON, idle=IDLE)
        assert session.generation == generation + 1


def test_the_predecessor_gives_the_same_token_again_for_a_few_seconds() -> None:
    # given
    session = a_session()
    session.refresh(1, at=NOON, idle=IDLE)
    # when it is presented again, just in time
    assert session.refresh(1, at=NOON + GRACE - TICK, idle=IDLE)
    # then nothing has moved
    assert (session.generation, session.refreshed_at) == (2, NOON)


def test_a_proof_goes_on_to_another_token_without_grace_for_the_one_before() -> None:
    # given
    session = a_session()
    session.refresh(1, at=NOON, idle=IDLE)
    # when
    session.prove(Factor.PASSWORD, at=NOON + IDLE - TICK)
    # then
    assert (session.generation, session.proven_generation) == (3, 3)
    assert session.refreshed_at == session.authenticated_at == NOON + IDLE - TICK
    with pytest.raises(Unauthenticated, match="token superseded"):
        session.refresh(2, at=NOON + IDLE, idle=IDLE)
    assert session.generation == 3
    # and from there on the predecessor has its grace again
    assert session.refresh(3, at=NOON + IDLE, idle=IDLE)
    assert session.refresh(3, at=NOON + IDLE, idle=IDLE)
    session.check_not_superseded(3)


def test_the_predecessor_of_a_proof_that_comes_late_is_spent() -> None:
    session = a_session()
    session.prove(Factor.PASSWORD, at=NOON)
    assert not session.refresh(1, at=NOON + GRACE, idle=IDLE)


@pytest.mark.parametrize(
    ("generation", "after"),
    [(2, GRACE), (1, timedelta(0)), (4, timedelta(0))],
    ids=["the predecessor, too late", "one before that", "one that is not out yet"],
)
def test_a_token_that_is_spent_is_refused(generation: int, after: timedelta) -> None:
    session = a_session()
    for each in (1, 2):
        session.refresh(each, at=NOON, idle=IDLE)
    assert not session.refresh(generation, at=NOON + after, idle=IDLE)
    assert session.generation == 3


def test_a_session_is_over_when_nobody_carries_it_on() -> None:
    session = a_session()
    assert session.is_live_at(NOON + IDLE - TICK, idle=IDLE)
    with pytest.raises(Unauthenticated, match="session over"):
        session.refresh(1, at=NOON + IDLE, idle=IDLE)


def test_a_session_is_over_in_the_end_however_often_it_is_carried_on() -> None:
    session = a_session()
    now = NOON
    while now + IDLE / 2 < NOON + LIFETIME:
        now += IDLE / 2
        assert session.refresh(session.generation, at=now, idle=IDLE)
    with pytest.raises(Unauthenticated, match="session over"):
        session.refresh(session.generation, at=NOON + LIFETIME, idle=IDLE)


def test_an_ended_session_stays_as_it_ended() -> None:
    session = a_session()
    session.end(Ending.SIGNED_OUT, at=NOON)
    session.end(Ending.REVOKED, at=NOON + TICK)
    assert (session.ended_at, session.ended_because) == (NOON, Ending.SIGNED_OUT)
    assert not session.is_live_at(NOON, idle=IDLE)


def test_a_token_says_of_which_session_it_is_and_of_which_generation() -> None:
    # given
    session, tokens = a_session(), RefreshTokens(["a key"])
    first = tokens.token_of(session)
    session.refresh(1, at=NOON, idle=IDLE)
    second = tokens.token_of(session)
    # then
    assert first.startswith("rbr_")
    assert first != second == tokens.token_of(session)
    assert tokens.read(first) == (session.id, 1)
    assert tokens.read(second) == (session.id, 2)


def test_a_token_of_an_older_key_is_read_and_one_of_a_dropped_key_is_not() -> None:
    old = RefreshTokens(["old"]).token_of(a_session())
    assert RefreshTokens(["new", "old"]).read(old)[1] == 1
    with pytest.raises(Unauthenticated, match="invalid refresh token"):
        RefreshTokens(["new"]).read(old)


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: "",
        lambda token: "rbr_",
        lambda token: "rbr_ä",
        lambda token: "rbr_A",
        lambda token: token[4:],
        lambda token: "rbs" + token[3:],
        lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BA"),
        lambda token: token[:30] + ("B" if token[30] != "B" else "C") + token[31:],
        lambda token: token + "AAAA",
    ],
)
def test_a_forged_token_is_none(forge: object) -> None:
    assert callable(forge)
    token = RefreshTokens(["a key"]).token_of(a_session())
    with pytest.raises(Unauthenticated, match="invalid refresh token"):
        RefreshTokens(["a key"]).read(forge(token))
