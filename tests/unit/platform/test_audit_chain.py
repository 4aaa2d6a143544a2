"""The audit trail's chain: one form of an entry, and one hash of a chain."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from robosure.platform.audit.chain import COVERED, GENESIS, canonical, digest, link
from robosure.platform.audit.chain import plain as plain_json

_ID = UUID("01983a5e-7c10-7b4e-9d52-6f0e5a2c1b01")


def an_entry(**values: Any) -> dict[str, Any]:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    return {**dict.fromkeys(COVERED), "id": _ID, "at": at, **values}


def test_the_canonical_form_is_sorted_json_without_spaces() -> None:
    written = canonical(an_entry(subject={"b": "é", "a": 1}, sequence=7, hash=b"x"))
    assert written.decode() == (
        '{"action":null,"actor":null,"actor_kind":null,"actor_name":null,'
        '"actor_organisation_id":null,"address":null,"at":"2026-03-02T12:00:00.000000Z",'
        '"changes":null,"correlation_id":null,"id":"01983a5e-7c10-7b4e-9d52-6f0e5a2c1b01",'
        '"object_id":null,"object_type":null,"objects":null,"organisation_id":null,'
        '"outcome":null,"subject":{"a":1,"b":"é"},"user_agent":null}'
    )


def test_the_same_moment_in_another_zone_is_the_same_entry() -> None:
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    moved = an_entry()["at"].astimezone(elsewhere)
    assert digest(an_entry(at=moved)) == digest(an_entry())


@pytest.mark.parametrize("name", COVERED)
def test_every_field_counts(name: str) -> None:
    assert digest(an_entry(**{name: "another"})) != digest(an_entry())


def test_a_link_is_made_of_the_one_before_the_place_and_the_digest() -> None:
    found = digest(an_entry())
    written = GENESIS + bytes(7) + b"\x01" + found
    assert link(GENESIS, 1, found) == hashlib.sha256(written).digest()
    assert link(GENESIS, 2, found) != link(GENESIS, 1, found)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (2**53 - 1, 9007199254740991),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        (0.1, "0.1"),
        (True, True),
        ([1, (2.5, None)], [1, ["2.5", None]]),
        ({1: {"a": _ID}}, {"1": {"a": str(_ID)}}),
    ],
)
def test_no_number_is_left_that_readers_of_json_give_back_differently(
    value: object, plain: object
) -> None:
    assert plain_json(value) == plain


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="no plain JSON: bytes"):
        plain_json(b"x")
