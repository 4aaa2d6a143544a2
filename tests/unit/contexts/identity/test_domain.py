"""Who is taken in, who holds which role, and what a key is good for."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from robosure.contexts.identity.domain import (
    DEVICE_ROLE,
    ApiKey,
    KeyKind,
    Organisation,
    OrganisationKind,
    User,
    digest_of,
    normalised_email,
    roles_in_effect,
    roles_of_keys,
)
from robosure.contexts.identity.events import (
    OrganisationRegistered,
    UserChanged,
    UserRegistered,
)
from robosure.kernel.errors import DomainError, Forbidden, Invalid, InvalidState
from robosure.kernel.ids import uuid7

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADMIN = UUID("019d0000-0000-7000-8000-000000000001")
ROBOT = UUID("019d0000-0000-7000-8000-000000000002")


def an_organisation(
    kind: OrganisationKind = OrganisationKind.INSURER, **given: Any
) -> Organisation:
    values: dict[str, Any] = {
        "name": "Robosure Mutual",
        "email": "office@robosure.example",
        "country": "GB",
        "at": NOON,
    }
    return Organisation.register(kind=kind, **(values | given))


def a_user(organisation: Organisation | None = None, **given: Any) -> User:
    values: dict[str, Any] = {
        "email": "ada@robosure.example",
        "name": "Ada",
        "password_hash": "argon2",
        "roles": ["adjuster"],
        "skills": ["collision"],
        "at": NOON,
    }
    return User.register(organisation or an_organisation(), **(values | given))


def a_key(**given: Any) -> tuple[ApiKey, str]:
    values: dict[str, Any] = {
        "organisation_id": uuid7(),
        "kind": KeyKind.ROBOT if given.get("robot_id") else KeyKind.FLEET,
        "name": "Cell 4",
        "scopes": ["events:write"],
        "grantable": {"events:write", "robots:read"},
        "by": ADMIN,
        "at": NOON,
    }
    return ApiKey.issue(**(values | given))


def refused(error: pytest.ExceptionInfo[DomainError]) -> tuple[str, dict[str, object]]:
    return error.value.code, error.value.details


# --- organisations --------------------------------------------------------------------


def test_registering_an_organisation_tells_it() -> None:
    # when
    operator = an_organisation(
        OrganisationKind.OPERATOR, name="Acme", email=" Ops@Acme.example ", country="DE"
    )
    # then
    assert operator.registered_at == NOON
    assert operator.pending_events == [
        OrganisationRegistered(
            organisation_id=operator.id,
            name="Acme",
            kind="operator",
            email="ops@acme.example",
            country="DE",
        )
    ]


@pytest.mark.parametrize("country", ["XX", "gb", "GBR", "UK", ""])
def test_a_country_that_iso_3166_does_not_know_is_refused(country: str) -> None:
    with pytest.raises(Invalid) as error:
        an_organisation(country=country)
    assert refused(error) == ("unknown_country", {"country": country})


@pytest.mark.parametrize("email", ["", "ada", "@b", "a@", "a b@c", "a@b@c", "a\0@b"])
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(Invalid) as error:
        normalised_email(email)
    assert refused(error) == ("invalid_email", {})


@pytest.mark.parametrize(
    ("manager", "kind", "own", "manages"),
    [
        (OrganisationKind.INSURER, OrganisationKind.INSURER, True, True),
        (OrganisationKind.INSURER, OrganisationKind.INSURER, False, False),
        (OrganisationKind.INSURER, OrganisationKind.OPERATOR, False, True),
        (OrganisationKind.INSURER, OrganisationKind.MANUFACTURER, False, True),
        (OrganisationKind.OPERATOR, OrganisationKind.OPERATOR, True, True),
        (OrganisationKind.OPERATOR, OrganisationKind.OPERATOR, False, False),
        (OrganisationKind.OPERATOR, OrganisationKind.INSURER, False, False),
        (OrganisationKind.MANUFACTURER, OrganisationKind.MANUFACTURER, True, True),
        (OrganisationKind.MANUFACTURER, OrganisationKind.OPERATOR, False, False),
    ],
)
def test_an_insurer_manages_everyone_but_other_insurers(
    manager: OrganisationKind, kind: OrganisationKind, own: bool, manages: bool
) -> None:
    organisation = an_organisation(kind)
    manager_id = organisation.id if own else uuid7()
    assert organisation.is_managed_by(manager_id, manager) == manages


@pytest.mark.parametrize(
    ("kind", "roles", "effect"),
    [
        (OrganisationKind.INSURER, ["admin", "adjuster"], {"admin", "adjuster"}),
        (OrganisationKind.INSURER, ["support"], {"support"}),
        (OrganisationKind.OPERATOR, ["admin"], {"operator_admin", "policyholder"}),
        (OrganisationKind.OPERATOR, ["policyholder"], {"policyholder"}),
        (OrganisationKind.MANUFACTURER, ["admin"], {"manufacturer_admin"}),
    ],
)
def test_only_an_insurers_admin_has_an_insurers_powers(
    kind: OrganisationKind, roles: list[str], effect: set[str]
) -> None:
    assert roles_in_effect(kind, roles) == effect


# --- users ----------------------------------------------------------------------------


def test_registering_a_user_tells_it_and_orders_what_they_are() -> None:
    # given
    insurer = an_organisation()
    # when
    user = a_user(
        insurer,
        email="Ada@Robosure.Example",
        roles=["underwriter", "adjuster", "adjuster"],
        skills=["grip_loss", "cobot", "cobot"],
    )
    # then
    assert user.active
    assert user.pending_events == [
        UserRegistered(
            user_id=user.id,
            organisation_id=insurer.id,
            email="ada@robosure.example",
            name="Ada",
            roles=("adjuster", "underwriter"),
            skills=("cobot", "grip_loss"),
        )
    ]


def test_a_password_that_was_changed_is_the_only_one() -> None:
    user = a_user(password_hash="of the first")
    user.change_password("of the second")
    assert user.password_hash == "of the second"


def test_a_password_hash_is_not_in_what_a_user_looks_like() -> None:
    assert "argon2" not in repr(a_user())


@pytest.mark.parametrize(
    ("kind", "roles", "wrong"),
    [
        (OrganisationKind.INSURER, ["admin", "policyholder"], ["policyholder"]),
        (OrganisationKind.INSURER, ["device"], ["device"]),
        (OrganisationKind.OPERATOR, ["support", "adjuster"], ["adjuster", "support"]),
        (OrganisationKind.MANUFACTURER, ["policyholder"], ["policyholder"]),
        (OrganisationKind.OPERATOR, ["king"], ["king"]),
    ],
)  # fmt: skip
def test_a_role_belongs_to_its_kind_of_organisation(
    kind: OrganisationKind, roles: list[str], wrong: list[str]
) -> None:
    with pytest.raises(Invalid) as error:
        a_user(an_organisation(kind), roles=roles)
    assert refused(error) == (
        "role_not_for_organisation",
        {"roles": ", ".join(wrong), "kind": kind.value},
    )


def test_a_user_without_a_role_is_refused() -> None:
    with pytest.raises(Invalid) as error:
        a_user(roles=[])
    assert refused(error) == ("user_needs_roles", {})


@pytest.mark.parametrize("skill", ["", "Cobot", "two words", "-x", "x_"])
def test_a_skill_is_a_name(skill: str) -> None:
    with pytest.raises(Invalid) as error:
        a_user(skills=["collision", skill])
    assert refused(error) == ("invalid_skill", {"skill": skill})


def test_changing_a_user_tells_how_they_are_now() -> None:
    # given
    insurer = an_organisation()
    user = a_user(insurer)
    user.collect_events()
    # when
    user.change(insurer, by=ADMIN, roles=["support"], active=False)
    # then
    assert user.pending_events == [
        UserChanged(
            user_id=user.id,
            organisation_id=insurer.id,
            email="ada@robosure.example",
            name="Ada",
            roles=("support",),
            skills=("collision",),
            active=False,
        )
    ]


def test_changing_nothing_tells_nothing() -> None:
    # given
    insurer = an_organisation()
    user = a_user(insurer)
    user.collect_events()
    # when
    user.change(insurer, by=ADMIN)
    user.change(
        insurer, by=ADMIN, name="Ada", roles=["adjuster"], skills=["collision"],
        active=True,
    )  # fmt: skip
    # then
    assert user.pending_events == []


@pytest.mark.parametrize("change", [{"roles": ["support"]}, {"active": False}])
def test_nobody_changes_their_own_roles_or_standing(change: dict[str, Any]) -> None:
    # given
    insurer = an_organisation()
    user = a_user(insurer, roles=["admin"])
    user.collect_events()
    # when
    with pytest.raises(InvalidState) as error:
        user.change(insurer, by=user.id, name="Queen", **change)
    # then nothing changed
    assert refused(error) == ("own_access_unchangeable", {"user_id": user.id})
    assert (user.name, user.roles, user.active) == ("Ada", ("admin",), True)
    assert user.pending_events == []


def test_everyone_may_change_their_own_name_and_skills() -> None:
    # given
    insurer = an_organisation()
    user = a_user(insurer)
    # when
    user.change(insurer, by=user.id, name="Ada Lovelace", skills=["cobot"])
    # then
    assert (user.name, user.skills) == ("Ada Lovelace", ("cobot",))


def test_who_is_erased_has_a_pseudonym_and_no_access_for_good() -> None:
    # given
    organisation = an_organisation()
    user = a_user(organisation)
    user.collect_events()
    # when
    user.erase(
        email="nobody@erased.invalid",
        name="Nobody",
        password_hash="of nothing",
        outcome={"kept": []},
        at=NOON,
    )
    # then whoever has a copy is told
    assert user.collect_events() == [
        UserChanged(
            user_id=user.id,
            organisation_id=organisation.id,
            email="nobody@erased.invalid",
            name="Nobody",
            roles=("adjuster",),
            skills=(),
            active=False,
        )
    ]
    assert (user.password_hash, user.erasure) == ("of nothing", {"kept": []})
    # and nothing brings them back
    with pytest.raises(InvalidState) as error:
        user.change(organisation, by=uuid7(), active=True)
    assert refused(error) == ("user_erased", {"user_id": user.id})
    assert not user.active


def test_a_changed_role_must_belong_to_the_organisation_too() -> None:
    # given
    operator = an_organisation(OrganisationKind.OPERATOR)
    user = a_user(operator, roles=["policyholder"])
    # when
    with pytest.raises(Invalid) as error:
        user.change(operator, by=ADMIN, roles=["underwriter"])
    # then
    assert error.value.code == "role_not_for_organisation"
    assert user.roles == ("policyholder",)


# --- API keys -------------------------------------------------------------------------


def test_a_key_is_shown_once_and_kept_as_its_digest() -> None:
    # when
    stored, key = a_key(scopes=["robots:read", "events:write"], robot_id=ROBOT)
    # then
    assert key.startswith(f"{stored.prefix}_")
    assert stored.prefix.startswith("rbs_")
    assert len(key) == len("rbs_") + 12 + len("_") + 43  # 32 bytes in base64url
    assert stored.digest == hashlib.sha256(key.encode()).digest() == digest_of(key)
    assert stored.scopes == ("events:write", "robots:read")
    assert (stored.robot_id, stored.created_by, stored.created_at) == (
        ROBOT,
        ADMIN,
        NOON,
    )
    assert key.removeprefix(stored.prefix) not in repr(stored)


def test_no_two_keys_are_alike() -> None:
    keys = {a_key()[1] for _ in range(100)}
    assert len(keys) == 100
    # and each has 32 random bytes behind its prefix
    random = [key.split("_", 2)[2] for key in keys]
    assert {len(urlsafe_b64decode(each + "=")) for each in random} == {32}


def test_a_key_cannot_carry_more_than_its_maker_may_give() -> None:
    with pytest.raises(Forbidden) as error:
        a_key(scopes=["events:write", "users:manage", "products:manage"])
    assert refused(error) == (
        "scopes_not_grantable",
        {"scopes": "products:manage, users:manage"},
    )


def test_a_key_that_carries_nothing_is_refused() -> None:
    with pytest.raises(Invalid) as error:
        a_key(scopes=[])
    assert refused(error) == ("api_key_needs_scopes", {})


def test_a_key_expires_after_it_is_made() -> None:
    with pytest.raises(Invalid) as error:
        a_key(expires_at=NOON)
    assert refused(error) == (
        "expires_in_the_past",
        {"expires_at": "2026-03-02T12:00:00+00:00"},
    )


def test_a_key_works_until_it_expires() -> None:
    stored, _ = a_key(expires_at=NOON + timedelta(days=1))
    assert stored.usable_at(NOON + timedelta(hours=23, minutes=59))
    assert not stored.usable_at(NOON + timedelta(days=1))


def test_a_key_without_an_end_works_until_it_is_revoked() -> None:
    # given
    stored, _ = a_key()
    assert stored.usable_at(NOON + timedelta(days=3650))
    # when
    stored.revoke(NOON + timedelta(hours=1))
    stored.revoke(NOON + timedelta(hours=2))
    # then the first time counts
    assert not stored.usable_at(NOON)
    assert stored.revoked_at == NOON + timedelta(hours=1)


def test_a_use_is_written_down_once_a_minute() -> None:
    # given
    stored, _ = a_key()
    assert stored.use_is_news_at(NOON)
    # when
    stored.last_used_at = NOON
    # then
    assert not stored.use_is_news_at(NOON + timedelta(seconds=59))
    assert stored.use_is_news_at(NOON + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("organisation", "kind"),
    [
        (OrganisationKind.OPERATOR, KeyKind.FLEET),
        (OrganisationKind.MANUFACTURER, KeyKind.MANUFACTURER),
        (OrganisationKind.INSURER, KeyKind.INSURER),
    ],
)
def test_the_kind_of_a_key_follows_from_whose_it_is_and_what_it_is_bound_to(
    organisation: OrganisationKind, kind: KeyKind
) -> None:
    assert KeyKind.of(organisation, robot_id=None) is kind
    assert KeyKind.of(organisation, robot_id=None, asked=kind) is kind
    assert KeyKind.of(organisation, robot_id=ROBOT) is KeyKind.ROBOT
    for asked, robot_id in ((KeyKind.ROBOT, None), (kind, ROBOT)):
        with pytest.raises(Invalid) as error:
            KeyKind.of(organisation, robot_id=robot_id, asked=asked)
        actual = kind if robot_id is None else KeyKind.ROBOT
        assert refused(error) == (
            "wrong_api_key_kind",
            {"expected": actual.value, "actual": asked.value},
        )


def test_a_robot_s_key_carries_what_can_be_told_from_other_robots() -> None:
    wide = {"robots:manage", "events:write", "api-keys:manage"}
    with pytest.raises(Invalid) as error:
        a_key(scopes=wide, grantable=wide, robot_id=ROBOT)
    assert refused(error) == (
        "scopes_not_for_one_robot",
        {"scopes": "api-keys:manage, robots:manage"},
    )
    fleet, _ = a_key(scopes=wide, grantable=wide)
    assert fleet.permissions == wide


def test_a_robot_s_key_of_before_opens_and_hands_on_no_more_than_it_may() -> None:
    # given one that was made when it could carry anything
    old, _ = a_key(robot_id=ROBOT)
    old.scopes = ("events:write", "robots:manage")
    assert old.permissions == {"events:write"}
    # when it is rotated
    new, _ = rotated(old)
    assert (new.kind, new.scopes) == (KeyKind.ROBOT, ("events:write",))


def test_keys_carry_what_the_organisation_s_people_and_devices_may() -> None:
    assert roles_of_keys(OrganisationKind.MANUFACTURER) == {
        "manufacturer_admin",
        DEVICE_ROLE,
    }
    assert roles_of_keys(OrganisationKind.OPERATOR) == {
        "operator_admin",
        "policyholder",
        DEVICE_ROLE,
    }
    assert "admin" in roles_of_keys(OrganisationKind.INSURER)


# --- rotation -------------------------------------------------------------------------

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def rotated(key: ApiKey, **given: Any) -> tuple[ApiKey, str]:
    values: dict[str, Any] = {
        "overlap": DAY,
        "grantable": {"events:write", "robots:read"},
        "by": ADMIN,
        "at": NOON,
    }
    return key.rotate(**(values | given))


def test_a_successor_is_the_same_but_for_its_secret() -> None:
    # given a key of ten days, bound to a robot
    old, first = a_key(robot_id=ROBOT, expires_at=NOON + 10 * DAY)
    # when it is rotated a day before its end, by somebody else
    by, at = uuid7(), NOON + 9 * DAY
    new, second = rotated(old, overlap=2 * HOUR, by=by, at=at)
    # then another secret opens the same, for ten days more
    assert first != second
    assert new.digest == digest_of(second)
    assert second.startswith(f"{new.prefix}_")
    assert (new.organisation_id, new.kind, new.name, new.scopes, new.robot_id) == (
        old.organisation_id,
        KeyKind.ROBOT,
        old.name,
        old.scopes,
        ROBOT,
    )
    assert (new.created_by, new.created_at, new.expires_at) == (by, at, at + 10 * DAY)
    assert (new.last_used_at, new.revoked_at) == (None, None)
    # and they are one chain
    assert (old.predecessor_id, old.successor_id, old.rotated_at) == (None, new.id, at)
    assert (new.predecessor_id, new.successor_id, new.rotated_at) == (
        old.id,
        None,
        None,
    )


def test_both_work_for_the_overlap() -> None:
    old, _ = a_key()
    new, _ = rotated(old, overlap=2 * HOUR)
    assert old.usable_at(NOON + 2 * HOUR - timedelta(seconds=1))
    assert not old.usable_at(NOON + 2 * HOUR)
    assert new.usable_at(NOON)
    assert new.expires_at is None


def test_without_an_overlap_the_key_ends_at_once() -> None:
    old, _ = a_key()
    rotated(old, overlap=timedelta())
    assert not old.usable_at(NOON)


def test_an_overlap_does_not_let_a_key_outlive_its_end() -> None:
    old, _ = a_key(expires_at=NOON + HOUR)
    rotated(old, overlap=30 * DAY)
    assert old.expires_at == NOON + HOUR


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), 30 * DAY + HOUR])
def test_no_other_overlap_is_taken(overlap: timedelta) -> None:
    old, _ = a_key()
    with pytest.raises(Invalid) as error:
        rotated(old, overlap=overlap)
    assert refused(error) == ("invalid_overlap", {"longest_days": 30})
    assert (old.successor_id, old.expires_at) == (None, None)


def test_what_no_longer_works_cannot_be_rotated() -> None:
    # given a key that was revoked, one that expired, and one that has a successor
    revoked, _ = a_key()
    revoked.revoke(NOON)
    expired, _ = a_key(expires_at=NOON + HOUR)
    before, _ = a_key()
    successor, _ = rotated(before)
    # then
    for key, code in (
        (revoked, "api_key_revoked"),
        (expired, "api_key_expired"),
        (before, "api_key_rotated_already"),
    ):
        with pytest.raises(InvalidState) as error:
            rotated(key, at=NOON + HOUR)
        told = {"successor_id": successor.id} if key is before else {}
        assert refused(error) == (code, told)
    # and the chain goes on with the last
    again, _ = rotated(successor)
    assert again.predecessor_id == successor.id


def test_nobody_gets_by_rotating_what_they_could_not_give() -> None:
    old, _ = a_key()
    with pytest.raises(Forbidden) as error:
        rotated(old, grantable={"robots:read"})
    assert refused(error) == ("scopes_not_grantable", {"scopes": "events:write"})
    assert (old.successor_id, old.rotated_at, old.expires_at) == (None, None, None)
