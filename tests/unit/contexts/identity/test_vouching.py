"""How strongly and how lately somebody signed in at a provider, and what that does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from robosure.contexts.identity.domain import (
    AuthenticationRules,
    Factor,
    Prompt,
    Said,
    Session,
    Vouching,
)
from robosure.kernel.errors import Forbidden, Unauthenticated

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PROVIDER = UUID(int=1)
STRONG = AuthenticationRules(
    second_factor_acr=("gold",), second_factor_amr=("mfa", "hwk")
)


def judged(rules: AuthenticationRules, said: Said) -> Vouching:
    return rules.judge(said, provider_id=PROVIDER, at=NOON)


@pytest.mark.parametrize(
    ("said", "is_one"),
    [
        (Said(acr="gold"), True),
        (Said(amr=("pwd", "hwk")), True),
        (Said(acr="silver", amr=("mfa",)), True),
        (Said(acr="silver", amr=("pwd",)), False),
        (Said(acr="mfa", amr=("gold",)), False),
        (Said(), False),
    ],
)
def test_a_second_factor_is_what_the_rules_name(said: Said, is_one: bool) -> None:
    assert judged(STRONG, said).second_factor is is_one
    assert not judged(AuthenticationRules(), said).second_factor


def test_without_the_second_factor_that_is_required_nobody_comes_in() -> None:
    rules = AuthenticationRules(
        second_factor_acr=("gold",), second_factor_required=True
    )
    with pytest.raises(Forbidden) as refused:
        judged(rules, Said(acr="silver", amr=("pwd",)))
    assert refused.value.code == "sso_second_factor_required"
    assert refused.value.details == {"acr": "silver", "amr": ["pwd"]}
    assert judged(rules, Said(acr="gold")).second_factor


@pytest.mark.parametrize(
    ("ago", "comes_in"), [(3_600, True), (3_660, True), (3_661, False), (None, False)]
)
def test_a_sign_in_is_not_too_old(ago: int | None, comes_in: bool) -> None:
    rules = AuthenticationRules(max_age=3_600)
    then = None if ago is None else NOON - timedelta(seconds=ago)
    said = Said(authenticated_at=then)
    if comes_in:
        assert judged(rules, said).proven_at == then
        return
    with pytest.raises(Unauthenticated) as refused:
        judged(rules, said)
    assert refused.value.code == "sso_authentication_too_old"


@pytest.mark.parametrize(
    ("prompt", "said", "proven_at"),
    [
        (None, NOON - timedelta(hours=1), NOON - timedelta(hours=1)),
        (None, NOON + timedelta(seconds=5), NOON),
        (None, None, datetime.fromtimestamp(0, UTC)),
        (Prompt.SELECT_ACCOUNT, None, datetime.fromtimestamp(0, UTC)),
        (Prompt.LOGIN, None, NOON),
        (Prompt.LOGIN, NOON - timedelta(hours=1), NOON - timedelta(hours=1)),
    ],
)
def test_nothing_is_proven_later_than_is_certain(
    prompt: Prompt | None, said: datetime | None, proven_at: datetime
) -> None:
    rules = AuthenticationRules(prompt=prompt)
    assert judged(rules, Said(authenticated_at=said)).proven_at == proven_at


@pytest.mark.parametrize(
    ("said", "ends_at"),
    [
        (NOON - timedelta(minutes=30), NOON + timedelta(minutes=30)),
        (None, NOON + timedelta(hours=1)),
    ],
)
def test_a_session_lasts_until_one_has_to_sign_in_there_again(
    said: datetime | None, ends_at: datetime
) -> None:
    rules = AuthenticationRules(session_seconds=3_600)
    vouching = judged(rules, Said(authenticated_at=said))
    assert vouching.ends_at == ends_at
    assert a_session(vouching).expires_at == ends_at


def test_a_session_never_lasts_longer_than_any() -> None:
    long = AuthenticationRules(session_seconds=30 * 86_400)
    for rules in (long, AuthenticationRules()):
        session = a_session(judged(rules, Said(authenticated_at=NOON)))
        assert session.expires_at == NOON + timedelta(days=7)


def test_a_session_is_as_old_as_what_is_vouched_for() -> None:
    earlier = NOON - timedelta(hours=1)
    vouching = judged(AuthenticationRules(), Said(authenticated_at=earlier))
    session = a_session(vouching)
    assert (session.started_at, session.authenticated_at) == (NOON, earlier)
    assert session.vouching == vouching


def test_a_password_is_no_second_factor_after_one_at_the_provider() -> None:
    session = a_session(judged(STRONG, Said(acr="gold")))
    session.prove(Factor.PASSWORD, at=NOON)
    assert session.factors == (Factor.FEDERATED, Factor.PASSWORD)


@pytest.mark.parametrize(
    ("rules", "signs", "fields"),
    [
        (AuthenticationRules(), False, []),
        (AuthenticationRules(prompt=Prompt.LOGIN, session_seconds=60), False, []),
        (STRONG, True, []),
        (STRONG, False, ["second_factor_acr", "second_factor_amr"]),
        (AuthenticationRules(acr_values=("a",), max_age=60), True, []),
        (
            AuthenticationRules(acr_values=("a",), max_age=60),
            False,
            ["acr_values", "max_age"],
        ),
        (
            AuthenticationRules(second_factor_required=True),
            True,
            ["second_factor_required"],
        ),
    ],
)
def test_nothing_is_asked_of_a_provider_that_cannot_tell(
    rules: AuthenticationRules,
    signs: bool,
    fields: list[str],
) -> None:
    broken = rules.broken(signs=signs)
    assert [each.field for each in broken] == [f"authentication.{f}" for f in fields]


def a_session(vouching: Vouching) -> Session:
    factors = [Factor.FEDERATED, *([Factor.MULTIPLE] * vouching.second_factor)]
    return Session.begin(
        organisation_id=UUID(int=2),
        user_id=UUID(int=3),
        factors=factors,
        at=NOON,
        lifetime=timedelta(days=7),
        address="198.51.100.7",
        vouching=vouching,
    )
