"""Roles of an insurer's own: what they may be made of, and by whom."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from robosure.contexts.identity.domain import (
    CustomRole,
    Grantable,
    Organisation,
    OrganisationKind,
    User,
)
from robosure.kernel.errors import AlreadyExists, DomainError, Forbidden, Invalid
from robosure.kernel.ids import uuid7

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
GRANTABLE = Grantable(
    of_insurers=frozenset({"claims:read", "claims:approve", "policies:read"}),
    of_maker=frozenset({"claims:read", "policies:read", "roles:manage"}),
)


def a_role(**given: Any) -> CustomRole:
    values: dict[str, Any] = {
        "organisation_id": uuid7(),
        "name": "investigator",
        "description": "Looks into claims.",
        "permissions": ["policies:read", "claims:read", "claims:read"],
        "reserved": {"admin", "policyholder"},
        "grantable": GRANTABLE,
        "by": uuid7(),
        "at": NOON,
    }
    return CustomRole.define(**(values | given))


def given(role: CustomRole) -> set[str]:
    return set(role.permissions)


def held(user: User) -> list[str]:
    return list(user.roles)


def refusal(error: type[DomainError], code: str) -> pytest.RaisesExc[DomainError]:
    return pytest.RaisesExc(error, check=lambda raised: raised.code == code)


def test_a_role_is_a_set_of_permissions_with_a_name() -> None:
    role = a_role()
    assert role.name == "investigator"
    assert role.permissions == ("claims:read", "policies:read")


@pytest.mark.parametrize(
    "name", ["", "Investigator", "two words", "1st", "_a", "a_", "a__b", "a-b", "a\n"]
)
def test_a_role_has_a_name_in_snake_case(name: str) -> None:
    with refusal(Invalid, "invalid_role_name"):
        a_role(name=name)


@pytest.mark.parametrize("name", ["admin", "policyholder"])
def test_a_role_is_not_called_like_one_that_comes_along(name: str) -> None:
    with refusal(AlreadyExists, "role_exists"):
        a_role(name=name)


def test_a_role_gives_something() -> None:
    with refusal(Invalid, "role_needs_permissions"):
        a_role(permissions=[])


def test_a_role_gives_nothing_that_people_of_an_insurer_do_not_have() -> None:
    for permission in ("roles:manage", "no:such"):
        with refusal(Invalid, "permissions_not_for_insurers"):
            a_role(permissions=["claims:read", permission])


def test_nobody_makes_a_role_of_what_they_do_not_hold() -> None:
    with pytest.raises(Forbidden) as refused:
        a_role(permissions=["claims:read", "claims:approve"])
    assert refused.value.code == "permissions_not_grantable"
    assert refused.value.details == {"permissions": ["claims:approve"]}


def test_a_role_is_described_anew() -> None:
    role = a_role()
    role.change(description="Reads.", permissions=["claims:read"], grantable=GRANTABLE)
    assert (role.description, role.permissions) == ("Reads.", ("claims:read",))


def test_what_a_role_gives_may_stay_though_the_one_who_changes_it_lacks_it() -> None:
    # given a role that somebody made who may approve claims
    all_of_them = Grantable(GRANTABLE.of_insurers, GRANTABLE.of_insurers)
    role = a_role(permissions=["claims:approve"], grantable=all_of_them)
    # when somebody who may not adds what they hold
    both = ["claims:approve", "claims:read"]
    role.change(description="Both.", permissions=both, grantable=GRANTABLE)
    assert given(role) == set(both)
    # then they can take it away, and not give it back
    role.change(description="One.", permissions=["claims:read"], grantable=GRANTABLE)
    with refusal(Forbidden, "permissions_not_grantable"):
        role.change(description="Both.", permissions=both, grantable=GRANTABLE)
    assert (role.description, given(role)) == ("One.", {"claims:read"})


def test_a_change_that_leaves_nothing_is_refused() -> None:
    role = a_role()
    with refusal(Invalid, "role_needs_permissions"):
        role.change(description="None.", permissions=[], grantable=GRANTABLE)
    assert role.description == "Looks into claims."


def test_people_hold_roles_of_their_organisations_own() -> None:
    insurer = Organisation.register(
        kind=OrganisationKind.INSURER,
        name="Robosure Mutual",
        email="office@example.com",
        country="DE",
        at=NOON,
    )
    person: dict[str, Any] = {
        "email": "ada@example.com",
        "name": "Ada",
        "password_hash": "argon2",
        "at": NOON,
    }
    roles = ["support", "investigator"]
    ada = User.register(insurer, roles=roles, own_roles={"investigator"}, **person)
    assert held(ada) == ["investigator", "support"]
    with refusal(Invalid, "role_not_for_organisation"):
        User.register(insurer, roles=roles, own_roles={"other"}, **person)
    ada.change(insurer, by=uuid7(), roles=["other"], own_roles={"other"})
    assert held(ada) == ["other"]
    with refusal(Invalid, "role_not_for_organisation"):
        ada.change(insurer, by=uuid7(), roles=["investigator"])
    assert held(ada) == ["other"]
