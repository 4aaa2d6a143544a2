"""API keys that were proven just now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from robosure.kernel.ids import uuid7
from robosure.platform.security import Principal, RememberedKeys
from robosure.platform.security.keys import REMEMBERED

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_principal() -> Principal:
    return Principal(
        subject=uuid7(),
        kind="api_key",
        name="Cell 4",
        organisation_id=uuid7(),
        organisation_kind="operator",
        roles=frozenset(),
        permissions=frozenset({"events:write"}),
    )


def test_a_key_is_remembered_for_five_seconds() -> None:
    keys, principal = RememberedKeys(), a_principal()
    keys.remember("rbs_one", principal, now=NOON)

    last = NOON + REMEMBERED - timedelta(microseconds=1)
    assert keys.recall("rbs_one", now=NOON + 0.79 * REMEMBERED) is principal
    assert keys.recall("rbs_one", now=last) is None  # see below
    assert keys.recall("rbs_one", now=last) is principal
    assert keys.recall("rbs_one", now=NOON + REMEMBERED) is None
    assert timedelta(seconds=5) == REMEMBERED


def test_shortly_before_it_is_forgotten_one_has_to_prove_it_again() -> None:
    keys, principal = RememberedKeys(), a_principal()
    keys.remember("rbs_one", principal, now=NOON)
    late = NOON + 0.8 * REMEMBERED

    assert keys.recall("rbs_one", now=late) is None
    assert keys.recall("rbs_one", now=late) is principal
    keys.remember("rbs_one", principal, now=late)
    assert keys.recall("rbs_one", now=late) is principal
    assert keys.recall("rbs_one", now=late + 0.79 * REMEMBERED) is principal


def test_who_asks_only_what_is_at_hand_is_never_the_one_to_prove_it() -> None:
    keys, principal = RememberedKeys(), a_principal()
    keys.remember("rbs_one", principal, now=NOON)
    late = NOON + 0.8 * REMEMBERED

    assert keys.at_hand("rbs_one", now=NOON + 0.79 * REMEMBERED) is principal
    # given that it should be proven again, and nobody does
    assert keys.at_hand("rbs_one", now=late) is None
    # when one sets out to, then others have it at hand until it is forgotten
    assert keys.recall("rbs_one", now=late) is None
    assert keys.at_hand("rbs_one", now=late) is principal
    assert keys.at_hand("rbs_one", now=NOON + REMEMBERED) is None
    assert keys.at_hand("rbs_two", now=NOON) is None


def test_a_clock_that_was_set_back_does_not_make_it_longer() -> None:
    keys = RememberedKeys()
    keys.remember("rbs_one", a_principal(), now=NOON)

    assert keys.recall("rbs_one", now=NOON - timedelta(hours=1)) is None


def test_another_key_is_not_known() -> None:
    keys = RememberedKeys()
    keys.remember("rbs_one", a_principal(), now=NOON)

    assert keys.recall("rbs_two", now=NOON) is None
    assert keys.recall("", now=NOON) is None


def test_the_key_that_was_proven_longest_ago_makes_room() -> None:
    keys, principal = RememberedKeys(most=2), a_principal()
    for key in ("one", "two", "one", "three"):
        keys.remember(key, principal, now=NOON)

    known = [key for key in ("one", "two", "three") if keys.recall(key, now=NOON)]
    assert known == ["one", "three"]


def test_no_key_is_kept_as_it_is() -> None:
    keys = RememberedKeys()
    keys.remember("rbs_canary", a_principal(), now=NOON)

    assert "rbs_canary" not in repr(vars(keys))
