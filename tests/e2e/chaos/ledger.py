"""The ledger of a round: what was sent, and what the API promised of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True)
class Sent:
    """One event of a batch, as far as the books go."""

    robot: UUID
    id: str


@dataclass
class Ledger:
    """What a round may expect to find.

    An event is *accepted* once a request with it was answered 202. Until then it is
    *possible*: a request whose answer was lost may have been taken in.

    Attributes:
        accepted: ids of events, by robot.
        possible: ids of events that were sent, by robot, accepted ones among them.
        promised: how many events were answered 202, repeats included, by robot.
        unanswered: how many events were in requests of unknown outcome, by robot.
        registered: robots whose registration was answered 201.
        policies: numbers of policies whose binding was answered 201, by id.
        answers: how often each status came; 0 is no answer.
        complaints: answers that must not be, such as 500, and how often they came.
    """

    robots: Sequence[UUID] = ()
    accepted: defaultdict[UUID, set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    possible: defaultdict[UUID, set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    promised: Counter[UUID] = field(default_factory=Counter)
    unanswered: Counter[UUID] = field(default_factory=Counter)
    registered: set[UUID] = field(default_factory=set)
    policies: dict[UUID, str] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    complaints: Counter[str] = field(default_factory=Counter)

    @property
    def events(self) -> int:
        """How many different events were accepted."""
        return sum(map(len, self.accepted.values()))

    def sending(self, batch: Sequence[Sent]) -> None:
        """Note a batch before it leaves."""
        for event in batch:
            self.possible[event.robot].add(event.id)

    def promise(self, batch: Sequence[Sent]) -> None:
        """Note that a batch was answered 202."""
        for event in batch:
            self.accepted[event.robot].add(event.id)
            self.promised[event.robot] += 1

    def lose(self, batch: Sequence[Sent]) -> None:
        """Note that nobody knows whether a request with this batch was taken in."""
        for event in batch:
            self.unanswered[event.robot] += 1
