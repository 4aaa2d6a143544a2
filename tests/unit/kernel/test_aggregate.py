"""Aggregates: an identity, and facts that wait for the commit."""

from __future__ import annotations

from dataclasses import dataclass

from robosure.kernel.aggregate import Aggregate
from robosure.kernel.events import DomainEvent


@dataclass(frozen=True)
class Moved(DomainEvent):
    to: str


@dataclass(eq=False)
class Cart(Aggregate):
    place: str

    def move(self, to: str) -> None:
        self.place = to
        self.record(Moved(to))


def test_each_aggregate_has_an_identity_and_starts_at_version_nought() -> None:
    one, other = Cart("a"), Cart("a")
    assert one.id.version == 7
    assert one.version == 0
    assert one != other
    assert len({one, other}) == 2


def test_facts_wait_in_order_until_they_are_collected() -> None:
    # given
    cart = Cart("a")
    assert cart.pending_events == []
    # when
    cart.move("b")
    cart.move("c")
    # then they can be looked at, and taken once
    assert cart.pending_events == [Moved("b"), Moved("c")]
    assert cart.collect_events() == [Moved("b"), Moved("c")]
    assert cart.pending_events == cart.collect_events() == []


def test_what_is_shown_of_the_facts_is_a_copy() -> None:
    cart = Cart("a")
    cart.move("b")
    cart.pending_events.clear()
    assert cart.pending_events == [Moved("b")]


def test_an_event_is_of_version_one_unless_it_says_otherwise() -> None:
    assert Moved("b").version == 1
