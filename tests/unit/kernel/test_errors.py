"""Domain errors: a code, a kind, and the facts to act upon."""

from __future__ import annotations

import copy
import pickle

import pytest

from robosure.kernel import errors
from robosure.kernel.errors import (
    DomainError,
    ErrorKind,
    FieldError,
    Invalid,
    InvalidState,
    NotFound,
)

NO_ZONE = FieldError("timestamp.time_zone", "unknown_time_zone", "no zone 'Mars'")
NO_DAY = FieldError("timestamp.pattern", "required", "strptime needs its pattern")


def test_an_error_reads_as_a_sentence_with_its_facts() -> None:
    error = InvalidState("policy_not_in_force", number="POL-1", day="2026-01-01")
    assert error.code == "policy_not_in_force"
    assert error.details == {"number": "POL-1", "day": "2026-01-01"}
    assert str(error) == "policy not in force (number=POL-1, day=2026-01-01)"
    assert error.errors == ()
    assert str(NotFound("policy_not_found")) == "policy not found"


def test_an_error_names_every_field_at_fault_beside_its_facts() -> None:
    error = Invalid("invalid_profile", errors=[NO_ZONE, NO_DAY], name="ur3")
    assert error.errors == (NO_ZONE, NO_DAY)
    assert error.details == {"name": "ur3"}
    assert str(error) == (
        "invalid profile (name=ur3, timestamp.time_zone: no zone 'Mars', "
        "timestamp.pattern: strptime needs its pattern)"
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("DomainError", ErrorKind.INVALID),
        ("Invalid", ErrorKind.INVALID),
        ("Malformed", ErrorKind.MALFORMED),
        ("Unauthenticated", ErrorKind.UNAUTHENTICATED),
        ("Forbidden", ErrorKind.FORBIDDEN),
        ("NotFound", ErrorKind.NOT_FOUND),
        ("InvalidState", ErrorKind.CONFLICT),
        ("AlreadyExists", ErrorKind.CONFLICT),
        ("Stale", ErrorKind.STALE),
        ("NotYetKnown", ErrorKind.NOT_YET_KNOWN),
        ("TooLarge", ErrorKind.TOO_LARGE),
        ("Unavailable", ErrorKind.UNAVAILABLE),
    ],
)
def test_each_error_has_its_kind(name: str, kind: ErrorKind) -> None:
    error_type: type[DomainError] = getattr(errors, name)
    assert error_type("a_code").kind is kind


def test_an_error_survives_being_copied_and_pickled() -> None:
    error = NotFound("policy_not_found", errors=[NO_ZONE], number="POL-1")
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(again), str(again)) == (NotFound, str(error))
        assert again.details == error.details
        assert again.errors == error.errors
