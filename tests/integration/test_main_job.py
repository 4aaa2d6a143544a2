"""The whole main job in one process: from telemetry to a claim that is paid."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from io import BytesIO
from uuid import UUID

import httpx
import orjson
import pytest
from pypdf import PdfReader
from sqlalchemy import select

from robosure.contexts.payments.jobs import charge_due
from robosure.entrypoints.demo.simulator import START, simulate_fleet
from robosure.platform.database import Database
from robosure.platform.outbox import outbox
from robosure.platform.runtime import Runtime
from tests.journey import PASSWORD, Json, World, answered, events_of, sign_in
from tests.support import ApiClient, Delivery, FixedClock

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""Of the day on which the simulated robot worked from eight to nine."""


FACTS = {
    "identity.OrganisationRegistered": 3,
    "identity.UserRegistered": 4,
    "catalog.ProductPublished": 1,
    "robots.ModelRegistered": 1,
    "robots.RobotRegistered": 1,
    "risk.RobotScored": 1,
    "policies.PolicyBound": 1,
    "payments.InstalmentPaid": 1,
    "claims.ClaimReported": 1,
    "claims.EvidenceRequested": 1,
    "eventflow.TelemetryExtracted": 1,
    "claims.ClaimDecided": 1,
    "claims.PayoutRequested": 1,
    "payments.PayoutCompleted": 1,
    "claims.ClaimPaid": 1,
}
TIMELINE = [
    "reported",
    "triaged",
    "reserve_changed",
    "evidence_requested",
    "assigned",
    "evidence_attached",
    "assessed",
    "approved",
    "payout_requested",
    "paid",
    "reserve_changed",
    "closed",
]


@pytest.fixture
async def world(
    api: ApiClient, deliver: Delivery, runtime: Runtime, clock: FixedClock
) -> World:
    clock.set(NOON)
    return await World.build(api, deliver, runtime)


def eur(minor: int) -> Json:
    return {"minor": minor, "currency": "EUR"}


ASSESSMENT = {
    "coverage_code": "physical-damage",
    "basis": "replacement_cost",
    "loss_value": eur(1_250_000),
    "notes": "Wrist joint and gripper damaged after repeated stops.",
}


async def test_telemetry_becomes_a_score_a_price_a_policy_and_a_paid_claim(
    world: World, clock: FixedClock, database: Database
) -> None:
    # given a worn robot, and an hour of its telemetry, a tenth of it sent twice
    (robot_id,) = await world.robots()
    *_, samples = simulate_fleet(seed=7)
    risk = await replayed(world, robot_id, samples)
    # when a quote is asked for, then the score has moved the price
    inception = {"inception": "2026-01-05", "time_zone": "Europe/Berlin"}
    quote = await world.quote([robot_id], term=inception)
    assert_the_price_can_be_worked_out(quote, risk)
    # when it is bound, then there is a policy, and its first instalment is taken
    policy = answered(await world.bind(quote), 201)
    await world.deliver()
    await assert_it_is_sold(world, policy, quote)
    # when the worst of the morning is reported
    incident_at = await worst_moment(world, robot_id)
    report = await world.report(policy["number"], robot_id, at=incident_at)
    path = f"/claims/{answered(report, 201)['id']}"
    await world.deliver()
    # then it has an adjuster, and the robot's own telemetry as evidence
    await assert_it_is_received(world, path)
    await assert_the_evidence_is_what_was_sent(world, path, samples, incident_at)
    # when it is assessed by one and approved by another, then it is paid
    answered(await world.adjuster.post(f"{path}/assessment", json=ASSESSMENT))
    answered(await world.admin.post(f"{path}/approve"))
    await world.deliver()
    await assert_it_is_paid(world, path)
    # and the books balance
    premium, total = quote["premium"]["minor"], quote["total"]["minor"]
    first = quote["instalments"]["amounts"][0]["minor"]
    assert await balances(world) == {
        "assets:cash": first - 1_150_000,
        "assets:premium_receivable:POL-2026-000001": total - first,
        "income:written_premium": -premium,
        "liabilities:premium_tax": premium - total,
        "expenses:claims_paid": 1_150_000,
    }
    # and the holder was told of each step, and the contexts of each fact, once
    await assert_the_holder_was_told(world)
    assert await told(database) == FACTS
    # when the term goes by, then every instalment is taken and nothing is owed
    for _ in range(3):
        clock.advance(timedelta(days=100))
        await world.deliver(charge_due)
    instalments = await listed(world.holder, "/instalments", policy_id=policy["id"])
    assert {each["status"] for each in instalments} == {"paid"}
    books = await balances(world)
    assert books["assets:premium_receivable:POL-2026-000001"] == 0
    assert books["assets:cash"] == total - 1_150_000


async def test_people_sign_in_with_their_own_password_and_see_their_own(
    world: World,
) -> None:
    # given the operator's policyholder, and somebody of another operator
    someone, stranger = world.api.anonymous(), world.api.as_("policyholder")
    (robot_id,) = await world.robots()
    policy = await world.policy([robot_id])
    # when the policyholder signs in
    await sign_in(someone, "policyholder@example.com", PASSWORD)
    # then they see their policy, and the stranger does not even see that it is there
    seen = answered(await someone.get("/policies"))["items"]
    assert [each["number"] for each in seen] == [policy["number"]]
    assert (await stranger.get(f"/policies/{policy['id']}")).status_code == 404
    assert answered(await stranger.get("/policies"))["items"] == []


async def replayed(world: World, robot_id: UUID, samples: list[Json]) -> Json:
    """Send the samples, some of them twice, and return the robot's score."""
    events = events_of(robot_id, samples)
    again = events[::10]
    assert await world.send_events(events, size=200) == len(events)
    assert await world.send_events(again) == len(again)
    risk = await world.risk(robot_id)
    assert await world.counts(robot_id) == (len(events), len(again), 0)
    assert risk["exposure"]["samples"] == len(events)
    assert risk["reproduced"] is True
    return risk


def assert_the_price_can_be_worked_out(quote: Json, risk: Json) -> None:
    multiplier = Fraction(risk["multiplier"])
    assert multiplier != 1
    exact = premium_with(multiplier)
    premium, total = half_up(exact), half_up(exact * Fraction("1.19"))
    assert quote["premium"] == eur(premium)
    assert quote["premium_without_telemetry"] == eur(half_up(premium_with(Fraction(1))))
    assert quote["total"] == eur(total)
    # Every column sums exactly.
    (robot,) = quote["robots"]
    assert telemetry_of(robot) == (risk["score"], risk["band"], risk["multiplier"])
    assert robot["premium"] == eur(premium)
    assert sums(quote["coverages"], "premium") == premium
    assert sums(quote["taxes"], "amount") == quote["tax"]["minor"] == total - premium
    amounts = [amount["minor"] for amount in quote["instalments"]["amounts"]]
    assert len(amounts) == quote["instalments"]["count"] == 4
    assert sum(amounts) == total
    assert max(amounts) - min(amounts) <= 1


def premium_with(multiplier: Fraction) -> Fraction:
    """Work the year's premium out by hand, from what the product says, in cents.

    A cobot (0.90) in a factory (1.00), four years old (1.08), in a fleet of one (1.00).
    """
    of_robot = Fraction("0.90") * Fraction("1.08") * multiplier
    physical_damage = Fraction("0.018") * 2_800_000
    liability = Fraction("0.0011") * 100_000_000
    policy_fee = 2_500
    return (physical_damage + liability) * of_robot + policy_fee


async def assert_it_is_sold(world: World, policy: Json, quote: Json) -> None:
    assert policy["number"] == "POL-2026-000001"
    assert policy["status"] == "in_force"
    assert policy["total"] == quote["total"]
    answer = await world.holder.get(f"/policies/{policy['id']}/certificate")
    assert answer.headers["content-type"] == "application/pdf"
    certificate = PdfReader(BytesIO(answer.content)).pages[0].extract_text()
    assert "POL-2026-000001" in certificate
    assert "Assembly Lines" in certificate
    instalments = await listed(world.holder, "/instalments", policy_id=policy["id"])
    assert [each["amount"] for each in instalments] == quote["instalments"]["amounts"]
    assert [each["status"] for each in instalments] == ["paid", *["scheduled"] * 3]


async def assert_it_is_received(world: World, path: str) -> None:
    claim = answered(await world.admin.get(path))
    assert claim["number"] == "CLM-2026-000001"
    assert claim["status"] == "assigned"
    assert claim["adjuster"]["id"] == str(world.people["adjuster"])
    assert claim["triage"] == {
        "severity": "standard",
        "flags": ["soon_after_inception"],
    }
    # The estimate less the deductible.
    assert claim["reserve"]["case"] == eur(1_150_000)


async def assert_it_is_paid(world: World, path: str) -> None:
    seen_by_holder = answered(await world.holder.get(path))
    assert seen_by_holder["status"] == "paid"
    settlement = seen_by_holder["settlement"]
    assert settlement["amount"] == eur(1_150_000)
    after = [step["after"]["minor"] for step in settlement["steps"]]
    assert after == [1_250_000, 1_150_000, 1_150_000, 1_150_000]
    claim = answered(await world.admin.get(path))
    assert claim["reserve"] == {
        "case": eur(0),
        "paid": eur(1_150_000),
        "incurred": eur(1_150_000),
    }
    entries = await listed(world.admin, f"{path}/timeline")
    assert [entry["what"] for entry in entries] == TIMELINE


async def assert_the_holder_was_told(world: World) -> None:
    """By e-mail and in the app."""
    notices = await listed(world.admin, "/deliveries", holder_id=str(world.operator_id))
    assert {each["status"] for each in notices} == {"sent"}
    assert Counter(each["template"] for each in notices) == {
        "policy_bound": 2,
        "payment_taken": 2,
        "claim_received": 2,
        "claim_decided": 2,
        "claim_paid": 2,
    }


def half_up(exact: Fraction) -> int:
    return int(exact + Fraction(1, 2))


def sums(lines: list[Json], field: str) -> int:
    return sum(int(line[field]["minor"]) for line in lines)


def telemetry_of(robot: Json) -> tuple[str, str, str]:
    (factor,) = (each for each in robot["factors"] if each["code"] == "telemetry")
    return factor["value"], factor["band"], factor["relativity"]


async def listed(client: httpx.AsyncClient, path: str, **query: str) -> list[Json]:
    """Return a list's items, the oldest first."""
    page = answered(await client.get(path, params={"limit": "200", **query}))
    assert page["next_cursor"] is None
    found: list[Json] = page["items"]
    return found[::-1]


async def worst_moment(world: World, robot_id: UUID) -> datetime:
    """Return the middle of the ten minutes with the most protective stops."""
    query = {"from": START.isoformat(), "to": NOON.isoformat()}
    answer = await world.adjuster.get(f"/robots/{robot_id}/risk/windows", params=query)
    windows: list[Json] = answered(answer)["items"]
    assert len(windows) == 6
    worst = max(windows, key=lambda each: int(each["protective_stop"]["samples"]))
    return datetime.fromisoformat(worst["starts_at"]) + timedelta(minutes=5)


async def assert_the_evidence_is_what_was_sent(
    world: World, path: str, samples: list[Json], incident_at: datetime
) -> None:
    """Ten minutes before and after the incident, frozen."""
    (evidence,) = answered(await world.adjuster.get(f"{path}/evidence"))["items"]
    assert evidence["status"] == "attached"
    start = datetime.fromisoformat(evidence["window"]["start"])
    end = datetime.fromisoformat(evidence["window"]["end"])
    reach = timedelta(minutes=10)
    assert (start, end) == (incident_at - reach, incident_at + reach)
    sent = {
        sample["id"]: sample["data"]
        for sample in samples
        if start <= datetime.fromisoformat(sample["time"]) < end
    }
    answer = await world.holder.get(f"{path}/evidence/{evidence['id']}/content")
    assert sha256(answer.content).hexdigest() == evidence["sha256"]
    frozen = [orjson.loads(line) for line in gzip.decompress(answer.content).split()]
    assert [event["id"] for event in frozen] == list(sent)
    assert evidence["samples"] == len(frozen)
    stops = sum(data["protective_stop"] is True for data in sent.values())
    assert evidence["protective_stop_samples"] == stops > 0


async def balances(world: World) -> dict[str, int]:
    books = answered(await world.admin.get("/ledger/balances"))
    (total,) = books["totals"]
    assert total["currency"] == "EUR"
    assert total["sum_minor"] == 0
    return {
        account["account"]: int(account["balance"]["minor"])
        for account in books["accounts"]
    }


async def told(database: Database) -> dict[str, int]:
    async with database.read() as session:
        return Counter((await session.execute(select(outbox.c.type))).scalars())
