"""A campaign: rounds of load, harm and audit, and the report of them all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from random import Random
from statistics import median
from typing import Any, Final

from tests.e2e.chaos.client import client_of
from tests.e2e.chaos.customer import Customer
from tests.e2e.chaos.effects import AWAY, Findings, audit
from tests.e2e.chaos.ledger import Ledger
from tests.e2e.chaos.load import Load
from tests.e2e.chaos.stage import Stage

VICTIMS: Final = ("api", "worker", "relay", "redis", "postgres")
RECOVERY_SECONDS: Final = 10.0
_LOST_SECONDS: Final = 60.0
"""After so long, what is not there is not late but lost."""
_LOAD_SECONDS: Final = 4.0
_LEAD_SECONDS: Final = (0.3, 3.0)
_TAIL_SECONDS: Final = 1.0
"""Load goes on for so long after the stack is ready again."""
_FLEET: Final = 6
_AUDIT_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Harmed:
    """What was done to the stack.

    Attributes:
        detail: in a few words.
        is_felt: whether clients had to be told to come again.
    """

    detail: str
    is_felt: bool = False


Harm = Callable[[Stage, Random], Awaitable[Harmed]]
"""Hurts the stack, and returns once it is ready again."""


@dataclass
class Round:
    """What one round brought.

    Attributes:
        victim: what was hurt, and ``detail`` how.
        accepted: different events that were answered 202.
        effects: different events that took effect; more than were accepted where an
            answer was lost.
        facts: domain events that were to be delivered.
        down_seconds: from the blow until the stack was ready again.
        recovery_seconds: from then until every effect was there, with a second of load
            in between; None is never.
        answers: how often each status came; 0 is no answer.
        problems: whatever must not be, in words.
    """

    victim: str
    number: int
    detail: str = ""
    accepted: int = 0
    effects: int = 0
    missing: int = 0
    duplicates: int = 0
    facts: int = 0
    down_seconds: float = 0.0
    recovery_seconds: float | None = None
    answers: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[str] = field(default_factory=list[str])

    @property
    def name(self) -> str:
        """What its robots and events are called after."""
        return f"chaos-{self.victim}-{self.number}"

    @property
    def passed(self) -> bool:
        """Whether everything took effect once, and in time."""
        return (
            not (self.missing or self.duplicates or self.problems)
            and self.recovery_seconds is not None
            and self.recovery_seconds <= RECOVERY_SECONDS
        )


@dataclass
class Report:
    """Every round, and what the last look at all of them together found."""

    rounds: list[Round] = field(default_factory=list[Round])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    late_findings: list[str] = field(default_factory=list[str])

    @property
    def passed(self) -> bool:
        """Whether every round did, and nothing changed afterwards."""
        return all(each.passed for each in self.rounds) and not self.late_findings

    def of(self, victim: str) -> list[Round]:
        """Return the rounds of one victim."""
        return [each for each in self.rounds if each.victim == victim]

    def as_json(self) -> dict[str, Any]:
        """Return totals per victim, and every round."""
        victims = dict.fromkeys(each.victim for each in self.rounds)
        return {
            "passed": self.passed,
            "victims": {victim: totals(self.of(victim)) for victim in victims},
            "skipped": self.skipped,
            "late_findings": self.late_findings,
            "rounds": [asdict(each) for each in self.rounds],
        }


def totals(rounds: Sequence[Round]) -> dict[str, Any]:
    """Sum rounds up."""
    recoveries = [
        each.recovery_seconds for each in rounds if each.recovery_seconds is not None
    ]
    return {
        "rounds": len(rounds),
        "passed": sum(each.passed for each in rounds),
        **{
            name: sum(getattr(each, name) for each in rounds)
            for name in ("accepted", "effects", "missing", "duplicates", "facts")
        },
        "down_seconds_median": median(each.down_seconds for each in rounds),
        "down_seconds_max": max(each.down_seconds for each in rounds),
        "recovery_seconds_median": median(recoveries) if recoveries else None,
        "recovery_seconds_max": max(recoveries, default=None),
    }


@dataclass
class Campaign:
    """Rounds on one stage.

    Attributes:
        events_per_round: sent before and while the stack is hurt, about.
        on_round: told of each round as it ends.
        books: every round, and its ledger.
    """

    stage: Stage
    customer: Customer
    report: Report
    events_per_round: int
    on_round: Callable[[Round], object]
    books: list[tuple[Round, Ledger]] = field(
        default_factory=list[tuple[Round, Ledger]]
    )

    @classmethod
    @asynccontextmanager
    async def on(
        cls,
        stage: Stage,
        report: Report,
        *,
        chance: Random,
        events_per_round: int,
        on_round: Callable[[Round], object] = lambda _: None,
    ) -> AsyncIterator[Campaign]:
        """Register who takes part; in the end, look at all rounds again."""
        running = stage.running
        credentials = {
            "email": running.admin_email,
            "password": running.admin_password,
        }
        async with client_of(running.api_url) as http:
            customer = await Customer.open(http, credentials, chance)
            campaign = cls(stage, customer, report, events_per_round, on_round)
            yield campaign
            await campaign._look_again()

    async def round(self, victim: str, number: int, harm: Harm) -> Round:
        """Load the stack, hurt it, and see what became of what it promised."""
        result = Round(victim, number)
        name = result.name
        ledger = Ledger()
        ledger.robots = [
            await self.customer.register(f"{name}-fleet-{each}", ledger)
            for each in range(_FLEET)
        ]
        await self._until_clean(ledger, name, _LOST_SECONDS)
        rate = self.events_per_round / _LOAD_SECONDS
        load = Load(
            self.customer,
            ledger,
            name,
            rate=rate,
            # Whoever relays is hit while it does.
            facts_per_second=rate / (40 if victim == "relay" else 120),
        )
        stop = asyncio.Event()
        sending = asyncio.create_task(load.run(stop))
        try:
            await self._strike(result, ledger, harm)
            ready_at = time.monotonic()
            await asyncio.sleep(_TAIL_SECONDS)
            stop.set()
            # What is under way is seen through, by clients that try again.
            await asyncio.wait({sending}, timeout=RECOVERY_SECONDS)
        finally:
            if sending.cancel():
                result.problems.append("a client waited in vain for an answer")
            with suppress(asyncio.CancelledError):
                await sending
        findings = await self._until_clean(ledger, name, _LOST_SECONDS)
        if findings.is_clean:
            result.recovery_seconds = round(time.monotonic() - ready_at, 2)
        self._close(result, ledger, findings)
        return result

    async def _strike(self, result: Round, ledger: Ledger, harm: Harm) -> None:
        await asyncio.sleep(self.customer.chance.uniform(*_LEAD_SECONDS))
        struck_at = time.monotonic()
        harmed = await harm(self.stage, self.customer.chance)
        result.detail = harmed.detail
        result.down_seconds = round(time.monotonic() - struck_at, 2)
        if harmed.is_felt and not ledger.answers[HTTPStatus.SERVICE_UNAVAILABLE]:
            result.problems.append("nobody was told to come again later")

    async def _until_clean(
        self, ledger: Ledger, name: str, patience: float
    ) -> Findings:
        """Look until everything is there, or for as long as there is patience."""
        deadline = time.monotonic() + patience
        while True:
            findings = await self.look(ledger, name)
            hopeless = findings.duplicates or time.monotonic() > deadline
            if findings.is_clean or hopeless:
                return findings
            await asyncio.sleep(_AUDIT_PAUSE_SECONDS)

    async def look(self, ledger: Ledger, name: str) -> Findings:
        """Compare a round's effects, as they are now, with its ledger."""
        try:
            return await audit(
                self.stage.database_url,
                self.customer.admin,
                ledger,
                serials=f"{name}-%",
            )
        except AWAY as error:
            return Findings(oddities=[f"the database does not answer: {error}"])

    def _close(self, result: Round, ledger: Ledger, findings: Findings) -> None:
        result.accepted = ledger.events
        result.effects = findings.effects
        result.missing = findings.missing
        result.duplicates = findings.duplicates
        result.facts = findings.facts
        result.answers = {str(k): n for k, n in sorted(ledger.answers.items())}
        result.problems += findings.oddities
        result.problems += [f"{n} x {what}" for what, n in ledger.complaints.items()]
        self.books.append((result, ledger))
        self.report.rounds.append(result)
        self.on_round(result)

    async def _look_again(self) -> None:
        """What was right when its round ended has to be right in the end as well."""
        for result, ledger in self.books:
            findings = await self._until_clean(ledger, result.name, RECOVERY_SECONDS)
            if result.passed and not findings.is_clean:
                self.report.late_findings.append(
                    f"{result.name}: {findings.missing} missing, {findings.duplicates} "
                    f"duplicates; {'; '.join(findings.oddities)}"
                )


def killing(victim: str) -> Harm:
    """Return the harm of ``kill -9``."""

    async def kill(stage: Stage, _chance: Random) -> Harmed:
        # Where the relay has no process of its own, the worker runs it.
        shared = victim == "relay" and not stage.has("relay")
        name = "worker" if shared else victim
        killed = await stage.kill(name)
        await stage.until_ready(instead_of=killed)
        return Harmed(f"kill -9 {name}")

    return kill
