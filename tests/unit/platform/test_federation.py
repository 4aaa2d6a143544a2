"""What is read out of what a provider says."""

from __future__ import annotations

from typing import Any

import pytest

from robosure.platform.federation import Assertion, Flow
from robosure.platform.federation.flow import challenge_of, is_verified_by

# RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def said(**claims: Any) -> Assertion:
    return Assertion("https://login.example.com", "ada", claims)


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email": "ada@example.com"}, "ada@example.com"),
        ({"email": "ada@example.com", "email_verified": True}, "ada@example.com"),
        ({"email": "ada@example.com", "email_verified": "true"}, "ada@example.com"),
        ({"email": "ada@example.com", "email_verified": False}, None),
        ({"email": "ada@example.com", "email_verified": "false"}, None),
        ({"email": "ada@example.com", "email_verified": None}, None),
        ({"email": ["ada@example.com"]}, None),
        ({}, None),
    ],
)
def test_an_address_counts_unless_it_is_said_to_be_unverified(
    claims: dict[str, Any], email: str | None
) -> None:
    assert said(**claims).email == email


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": " Ada Lovelace "}, "Ada Lovelace"),
        ({"name": "", "preferred_username": "ada"}, "ada"),
        ({"name": "Ada\nLovelace", "login": "ada"}, "ada"),
        ({"name": {"first": "Ada"}}, None),
        ({"name": "a" * 201}, "a" * 200),
        ({}, None),
    ],
)
def test_a_name_is_what_can_be_written_on_a_line(
    claims: dict[str, Any], name: str | None
) -> None:
    assert said(**claims).name == name


@pytest.mark.parametrize(
    ("claim", "values"),
    [
        ("groups", {"claims", "desk"}),
        ("role", {"adjuster"}),
        ("realm_access.roles", {"admin"}),
        ("https://acme.example/roles", {"support"}),
        ("realm_access", set()),
        ("groups.roles", set()),
        ("number", set()),
        ("nothing", set()),
        (None, set()),
    ],
)
def test_values_are_found_by_name_or_by_the_way_to_them(
    claim: str | None, values: set[str]
) -> None:
    assertion = said(
        groups=["claims", "desk", 7, None],
        role="adjuster",
        realm_access={"roles": ["admin"]},
        number=7,
        **{"https://acme.example/roles": ["support"]},
    )
    assert assertion.values_of(claim) == values


def test_a_verifier_meets_its_challenge_alone() -> None:
    assert challenge_of(VERIFIER) == CHALLENGE
    assert is_verified_by(CHALLENGE, VERIFIER)
    assert not is_verified_by(CHALLENGE, VERIFIER[:-1])
    assert not is_verified_by(CHALLENGE, "ä")


def test_no_two_flows_have_anything_in_common() -> None:
    one, two = Flow.begin(), Flow.begin()
    values = [*dict(one).values(), *dict(two).values()]
    assert len(set(values)) == 6
    assert all(len(value) == 43 for value in values)
