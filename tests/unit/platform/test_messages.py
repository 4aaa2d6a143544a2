from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import Decimal
from types import ModuleType
from typing import ClassVar
from uuid import UUID

import pytest

from robosure.contexts.policies.events import PolicyBound
from robosure.kernel.events import DomainEvent
from robosure.kernel.money import Money
from robosure.platform.messages import fact, facts_in


@dataclass(frozen=True)
class Toll:
    amount: Money


@dataclass(frozen=True)
class Leg:
    """A part of a trip.

    Attributes:
        metres: how long it is.
    """

    metres: Decimal
    toll: Toll


@dataclass(frozen=True)
class TripEnded(DomainEvent):
    """A trip is over.

    Or it was given up.

    Attributes:
        fare: what it costs; of :class:`Money`, as ``EUR``,
            and never a float.
        legs: one at least.
        toll: no field of it.
    """

    version: ClassVar[int] = 3

    trip_id: UUID
    fare: Money
    legs: tuple[Leg, ...] = ()


@dataclass(frozen=True)
class TripBegun(DomainEvent):
    """A trip began."""

    trip_id: UUID


SAMPLES = (
    TripEnded(
        trip_id=UUID(int=7),
        fare=Money(1250, "EUR"),
        legs=(Leg(Decimal("12.5"), Toll(Money(90, "EUR"))),),
    ),
)


def test_a_fact_describes_itself() -> None:
    message = fact(TripEnded, consumers=["risk", "claims", "risk"], retention_days=30)

    assert message.kind == "fact"
    assert (message.name.rpartition(".")[2], message.version) == ("TripEnded", 3)
    assert message.description == "A trip is over.\n\nOr it was given up."
    assert message.consumers == ["claims", "risk"]
    assert (message.retention_days, message.archived) == (30, False)
    assert message.sample["envelope"]["type"] == message.name
    assert message.sample["envelope"]["version"] == 3
    assert message.sample["payload"] == {
        "trip_id": "00000000-0000-0000-0000-000000000007",
        "fare": {"minor": 1250, "currency": "EUR"},
        "legs": [
            {"metres": "12.5", "toll": {"amount": {"minor": 90, "currency": "EUR"}}}
        ],
    }


def test_its_fields_are_explained_by_the_docstring() -> None:
    schema = fact(TripEnded, consumers=[], retention_days=1).schema

    told = {k: v.get("description") for k, v in schema["properties"].items()}
    assert told == {
        "trip_id": None,
        "fare": "What it costs; of `Money`, as `EUR`, and never a float.",
        "legs": "One at least.",
    }
    leg = schema["$defs"]["Leg"]
    assert leg["description"] == "A part of a trip."
    assert leg["properties"]["metres"]["description"] == "How long it is."
    assert "description" not in schema["$defs"]["Toll"]


def test_its_schema_is_that_of_what_is_written() -> None:
    schema = fact(TripEnded, consumers=[], retention_days=1).schema

    assert schema["required"] == ["trip_id", "fare"]
    metres = schema["$defs"]["Leg"]["properties"]["metres"]
    assert metres["type"] == "string"  # a decimal is written as text


def test_it_travels_in_an_envelope() -> None:
    whole = fact(PolicyBound, consumers=[], retention_days=1).whole

    assert whole["$id"] == (
        "https://robosure.dev/event-types/policies.PolicyBound.v1.json"
    )
    assert whole["required"] == ["envelope", "payload"]
    assert whole["properties"]["payload"]["required"][:2] == ["policy_id", "number"]
    envelope = whole["$defs"]["Envelope"]
    assert envelope["properties"]["event_id"]["description"] == (
        "Unique; the same however often the event is delivered."
    )
    assert {"Envelope", "Money", "Term"} <= set(whole["$defs"])


def test_the_facts_of_a_module_are_those_it_defines() -> None:
    module = ModuleType("examples.trips.events")
    ended = type("Ended", (DomainEvent,), {"__module__": module.__name__})
    vars(module).update(
        {"DomainEvent": DomainEvent, "PolicyBound": PolicyBound, "Ended": ended}
    )
    module.BANDS = ("low",)  # type: ignore[attr-defined]

    assert list(facts_in(module)) == [ended]
    assert list(facts_in(sys.modules[PolicyBound.__module__])) == [PolicyBound]


def test_a_fact_without_a_sample_is_not_described() -> None:
    with pytest.raises(LookupError, match=r"\.TripBegun has no sample$"):
        fact(TripBegun, consumers=[], retention_days=1)
