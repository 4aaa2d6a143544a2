"""Identity providers: how they may be asked, and which roles their people have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from robosure.contexts.identity.domain import (
    AuthenticationRules,
    Connection,
    IdentityProvider,
    Organisation,
    OrganisationKind,
    ProviderEndpoints,
    ProviderKind,
    RoleRules,
)
from robosure.kernel.errors import Invalid

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OPENID = Connection(
    issuer="https://login.example.com/acme",
    endpoints=None,
    subject_claim="sub",
    client_id="robosure",
    scopes=("openid", "email"),
)
OAUTH = Connection(
    issuer=None,
    endpoints=ProviderEndpoints(
        authorization="https://git.example.com/login/authorize?theme=dark",
        token="https://git.example.com/login/token",
        userinfo="https://api.git.example.com/user",
    ),
    subject_claim="id",
    client_id="robosure",
    scopes=(),
)
ELSEWHERE = ProviderEndpoints(
    "https://git.example.com/login/authorize",
    "https://evil.example/token",
    "https://api.git.example.com/user",
)
RULES = RoleRules(
    claim="groups",
    mapping={"claims": ("adjuster",), "all": ("support", "adjuster")},
    default=("compliance",),
)


def an_organisation(kind: OrganisationKind = OrganisationKind.INSURER) -> Organisation:
    return Organisation.register(
        kind=kind, name="Mutual", email="m@example.com", country="GB", at=NOON
    )


def a_provider(
    connection: Connection = OPENID, *, rules: RoleRules = RULES, private: bool = False
) -> IdentityProvider:
    return IdentityProvider.register(
        an_organisation(),
        name="Company account",
        kind=ProviderKind.OAUTH2 if connection.endpoints else ProviderKind.OIDC,
        connection=connection,
        sealed_secret="sealed",
        rules=rules,
        enabled=True,
        just_in_time=True,
        private=private,
        at=NOON,
    )


# --- roles ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "roles"),
    [
        (["claims"], ("adjuster",)),
        (["claims", "all", "chess"], ("adjuster", "support")),
        (["chess"], ("compliance",)),
        ([], ("compliance",)),
    ],
)
def test_roles_are_those_of_all_values_or_else_those_by_default(
    values: list[str], roles: tuple[str, ...]
) -> None:
    assert a_provider().rules.roles_for(values) == roles


def test_without_roles_by_default_there_may_be_none() -> None:
    assert RoleRules().roles_for(["claims"]) == ()


@pytest.mark.parametrize(
    "rules",
    [
        RoleRules(mapping={"all": ("adjuster", "policyholder")}),
        RoleRules(default=("policyholder",)),
    ],
)
def test_roles_of_another_kind_of_organisation_are_refused(rules: RoleRules) -> None:
    with pytest.raises(Invalid) as refused:
        a_provider(rules=rules)
    assert refused.value.code == "role_not_for_organisation"
    assert refused.value.details["roles"] == "policyholder"
    # and later on
    provider = a_provider()
    with pytest.raises(Invalid):
        provider.rule(rules, an_organisation())
    assert provider.rules == RULES


def test_other_rules_take_the_place_of_those_so_far() -> None:
    provider = a_provider()
    rules = RoleRules(claim=None, mapping={}, default=("support",))
    provider.rule(rules, an_organisation())
    assert provider.rules == rules


# --- connections ----------------------------------------------------------------------


def broken(connection: Connection, **given: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        a_provider(connection, **given)
    assert refused.value.code == "invalid_identity_provider"
    return [(each.field, each.code) for each in refused.value.errors]


def test_an_openid_provider_is_known_by_its_issuer() -> None:
    provider = a_provider()
    assert provider.connection == OPENID
    assert provider.issuer == "https://login.example.com/acme"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"issuer": None}, ("issuer", "not_a_url")),
        ({"issuer": "http://login.example.com"}, ("issuer", "not_https")),
        ({"issuer": "https://login.example.com/?a=b"}, ("issuer", "query_in_issuer")),
        ({"endpoints": OAUTH.endpoints}, ("endpoints", "endpoints_not_needed")),
        ({"subject_claim": "email"}, ("subject_claim", "subject_claim_fixed")),
        ({"scopes": ("email",)}, ("scopes", "openid_scope_required")),
    ],
)
def test_an_openid_provider_tells_everything_but_its_issuer_itself(
    changes: dict[str, Any], expected: tuple[str, str]
) -> None:
    provider = a_provider()
    with pytest.raises(Invalid) as refused:
        provider.connect(replace(OPENID, **changes), sealed_secret="x", private=False)
    errors = [(each.field, each.code) for each in refused.value.errors]
    assert errors == [expected]
    assert provider.connection == OPENID


def test_plain_http_will_do_where_private_networks_do() -> None:
    inside = replace(OPENID, issuer="http://10.0.0.7:8080")
    assert broken(inside) == [("issuer", "not_https")]
    assert a_provider(inside, private=True).issuer == "http://10.0.0.7:8080"


def test_a_provider_of_plain_oauth_is_known_by_where_it_is_asked() -> None:
    provider = a_provider(OAUTH)
    assert provider.issuer == "https://git.example.com"
    assert provider.subject_claim == "id"


def test_a_provider_of_plain_oauth_may_be_called_otherwise() -> None:
    named = replace(OAUTH, issuer="https://git.example.com/login/oauth")
    assert a_provider(named).issuer == "https://git.example.com/login/oauth"


def test_a_provider_of_plain_oauth_needs_to_be_asked_somewhere() -> None:
    with pytest.raises(Invalid) as refused:
        a_provider(OAUTH).connect(
            replace(OAUTH, endpoints=None),
            sealed_secret="x",
            private=False,
        )
    assert [each.code for each in refused.value.errors] == ["endpoints_required"]


def test_each_address_of_plain_oauth_is_looked_at() -> None:
    endpoints = ProviderEndpoints(
        "nowhere", "http://a.example", "https://u:p@a.example"
    )
    assert broken(replace(OAUTH, endpoints=endpoints, issuer="")) == [
        ("endpoints.authorization", "not_a_url"),
        ("endpoints.token", "not_https"),
        ("endpoints.userinfo", "credentials_in_url"),
        ("issuer", "not_a_url"),
    ]


# --- secrets --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("so_far", "elsewhere"),
    [
        (OPENID, replace(OPENID, issuer="https://evil.example")),
        (OAUTH, replace(OAUTH, endpoints=ELSEWHERE)),
    ],
)
def test_a_secret_is_not_told_to_another_provider(
    so_far: Connection, elsewhere: Connection
) -> None:
    provider = a_provider(so_far)
    with pytest.raises(Invalid) as refused:
        provider.connect(elsewhere, sealed_secret=None, private=False)
    assert [each.code for each in refused.value.errors] == ["client_secret_required"]
    # but one of its own is
    provider.connect(elsewhere, sealed_secret="another", private=False)
    assert provider.endpoints == elsewhere.endpoints
    assert provider.sealed_secret == "another"


def test_what_it_knows_us_by_may_change_with_the_secret_so_far() -> None:
    provider = a_provider()
    changed = replace(OPENID, client_id="another", scopes=("openid",))
    provider.connect(changed, sealed_secret=None, private=False)
    assert provider.connection == changed
    assert provider.sealed_secret == "sealed"


def test_a_secret_is_not_shown_with_its_provider() -> None:
    assert "sealed" not in repr(a_provider())


# --- whom its subjects mean -----------------------------------------------------------


@pytest.mark.parametrize(
    ("so_far", "changes", "others"),
    [
        (OPENID, {"issuer": "https://login.example.com/other"}, True),
        (OPENID, {"client_id": "another", "scopes": ("openid",)}, False),
        (OPENID, {}, False),
        (OAUTH, {"issuer": "https://git.example.com/other"}, True),
        (OAUTH, {"endpoints": ELSEWHERE}, True),
        (OAUTH, {"subject_claim": "login"}, True),
        (OAUTH, {"scopes": ("read:user",)}, False),
    ],
)
def test_its_subjects_are_other_people_where_somebody_else_says_who_they_are(
    so_far: Connection, changes: dict[str, Any], others: bool
) -> None:
    provider = a_provider(so_far)
    changed = replace(provider.connection, **changes)
    found = provider.connect(changed, sealed_secret="another", private=False)
    assert found is others


# --- how strongly its people sign in --------------------------------------------------


def test_what_a_provider_cannot_tell_is_not_asked_of_it() -> None:
    strict = AuthenticationRules(second_factor_amr=("mfa",))
    provider = a_provider()
    provider.authenticate_by(strict)
    assert provider.authentication == strict
    plain = a_provider(OAUTH)
    with pytest.raises(Invalid) as refused:
        plain.authenticate_by(strict)
    assert refused.value.errors[0].code == "openid_required"
    assert plain.authentication == AuthenticationRules()
