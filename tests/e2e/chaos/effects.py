"""Effects: what the database holds of a round, beside what the API promised of it.

The only place that knows tables. What the public API shows is asked of the API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx

from tests.e2e.chaos.client import Client
from tests.e2e.chaos.customer import INSTALMENTS
from tests.e2e.chaos.ledger import Ledger

_EVENTS: Final = """
    SELECT subject, id, count(*) FROM eventflow.events
    WHERE subject = ANY($1) GROUP BY subject, id
"""
_SAMPLES: Final = """
    SELECT robot_id, count(*) FROM risk.chunks, json_array_elements(content::json)
    WHERE robot_id = ANY($1) GROUP BY robot_id
"""
_ROBOTS: Final = "SELECT id FROM robots.robots WHERE serial_number LIKE $1"
_FACTS: Final = """
    SELECT (payload ->> 'robot_id')::uuid, count(*) FROM platform.outbox
    WHERE type = 'robots.RobotRegistered' AND payload ->> 'serial_number' LIKE $1
    GROUP BY 1
"""
_UNPUBLISHED: Final = "SELECT count(*) FROM platform.outbox WHERE published_at IS NULL"
_COPIES: Final = {
    "eventflow": "SELECT robot_id FROM eventflow.robots WHERE robot_id = ANY($1)",
    "risk": "SELECT id FROM risk.robots WHERE id = ANY($1) AND operator_id IS NOT NULL",
    "policies": "SELECT robot_id FROM policies.robots WHERE robot_id = ANY($1)",
}
_OF_POLICIES: Final = {
    "SELECT policy_id FROM payments.instalments WHERE policy_id = ANY($1)": INSTALMENTS,
    "SELECT policy_id FROM claims.covers WHERE policy_id = ANY($1)": 1,
    "SELECT policy_id FROM payments.ledger_transactions "
    "WHERE kind = 'premium_written' AND policy_id = ANY($1)": 1,
}
"""What follows of a bound policy, and how often."""
_NOTICES: Final = """
    SELECT reference FROM notifications.deliveries
    WHERE template = 'policy_bound' AND reference = ANY($1)
"""
_CHANNELS: Final = 2
_FAILED: Final = "SELECT count(*) FROM platform.dead_letters"

AWAY: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
)


@dataclass
class Findings:
    """What an audit found.

    Attributes:
        effects: different events that took effect.
        missing: accepted events without one, and facts that did not arrive.
        duplicates: effects too many.
        facts: that are to be delivered.
        oddities: in words, whatever else does not add up.
    """

    effects: int = 0
    missing: int = 0
    duplicates: int = 0
    facts: int = 0
    oddities: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether all is there, once."""
        return not (self.missing or self.duplicates or self.oddities)

    def expect(self, what: str, found: object, expected: object) -> None:
        """Note what is not as it has to be."""
        if found != expected:
            self.oddities.append(f"{what}: {found}, not {expected}")


async def audit(
    database_url: str, admin: Client, ledger: Ledger, *, serials: str
) -> Findings:
    """Compare a round's effects with its ledger.

    Args:
        database_url: of the database.
        admin: asks the API how it counts.
        ledger: of the round.
        serials: what the serial numbers of its robots are like.

    Raises:
        AWAY: the database does not answer.
    """
    findings = Findings()
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            stored = await _check_events(connection, ledger, findings)
            await _check_facts(connection, ledger, findings, serials)
            failed = await connection.fetchval(_FAILED)
            findings.expect("dead letters", failed, 0)
    finally:
        await connection.close()
    await _check_counts(admin, ledger, stored, findings)
    return findings


async def stored_ids(
    database_url: str, robots: Sequence[UUID]
) -> dict[UUID, Counter[str]]:
    """Return how often each event of these robots is stored, by its id."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        return await _stored_ids(connection, robots)
    finally:
        await connection.close()


async def _stored_ids(
    connection: Any, robots: Sequence[UUID]
) -> dict[UUID, Counter[str]]:
    found: dict[UUID, Counter[str]] = {robot: Counter() for robot in robots}
    for robot, id_, times in await connection.fetch(_EVENTS, robots):
        found[robot][id_] += times
    return found


async def _check_events(
    connection: Any, ledger: Ledger, findings: Findings
) -> Counter[UUID]:
    """Each accepted event is stored once, each possible one at most once."""
    robots = list(ledger.robots)
    seen = await _stored_ids(connection, robots)
    stored = Counter({robot: len(ids) for robot, ids in seen.items()})
    for robot, ids in seen.items():
        findings.duplicates += ids.total() - len(ids)
        findings.missing += len(ledger.accepted[robot] - ids.keys())
        findings.expect(
            f"events of {robot} that nobody sent",
            len(ids.keys() - ledger.possible[robot]),
            0,
        )
    findings.effects = stored.total()
    samples = Counter(dict(await connection.fetch(_SAMPLES, robots)))
    findings.missing += (stored - samples).total()
    findings.duplicates += (samples - stored).total()
    return stored


async def _check_facts(
    connection: Any, ledger: Ledger, findings: Findings, serials: str
) -> None:
    """Each robot that is there was told of once, and everyone has heard of it."""
    robots = {row[0] for row in await connection.fetch(_ROBOTS, serials)}
    facts = Counter(dict(await connection.fetch(_FACTS, serials)))
    findings.facts = len(robots)
    findings.missing += len(ledger.registered - robots)
    findings.missing += len(robots - facts.keys())
    findings.duplicates += sum(told - 1 for told in facts.values())
    findings.expect("facts of robots that are not", len(facts.keys() - robots), 0)
    for query in _COPIES.values():
        copies = {row[0] for row in await connection.fetch(query, list(robots))}
        findings.missing += len(robots - copies)
    await _check_policies(connection, ledger, findings)
    findings.expect("facts not relayed", await connection.fetchval(_UNPUBLISHED), 0)


async def _check_policies(connection: Any, ledger: Ledger, findings: Findings) -> None:
    """What follows of a policy happened, and once."""
    policies = ledger.policies
    findings.facts += len(policies)
    for query, times in _OF_POLICIES.items():
        await _check_each(connection, query, list(policies), times, findings)
    numbers = list(policies.values())
    await _check_each(connection, _NOTICES, numbers, _CHANNELS, findings)


async def _check_each(
    connection: Any, query: str, whose: Sequence[Any], times: int, findings: Findings
) -> None:
    found = Counter(row[0] for row in await connection.fetch(query, whose))
    for each in whose:
        findings.missing += max(0, times - found[each])
        findings.duplicates += max(0, found[each] - times)


async def _check_counts(
    admin: Client, ledger: Ledger, stored: Counter[UUID], findings: Findings
) -> None:
    """The API counts what is stored, and every repeat of it once."""
    for robot in ledger.robots:
        answer = await _ask(admin, f"/event-counts?subject={robot}")
        if answer is None:
            findings.oddities.append(f"no counts of {robot}")
            continue
        counts = answer.json()
        findings.expect(f"counted of {robot}", counts["stored"], stored[robot])
        findings.expect(f"failed of {robot}", counts["failed"], 0)
        told = counts["stored"] + counts["repeated"]
        least = ledger.promised[robot]
        most = least + ledger.unanswered[robot]
        if not least <= told <= most:
            findings.oddities.append(
                f"stored and repeated of {robot}: {told}, not {least} to {most}"
            )


async def _ask(admin: Client, path: str) -> httpx.Response | None:
    answer = await admin.try_once("GET", path, Ledger())
    return answer if answer and answer.status_code == HTTPStatus.OK else None
