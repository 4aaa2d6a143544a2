"""The first notice of loss over HTTP: taken, refused, repeated, and who sees it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from robosure.contexts.claims.tables import claims
from robosure.kernel.ids import uuid7
from robosure.kernel.time import Term
from robosure.platform.outbox import outbox
from tests.integration.contexts.claims.conftest import Scene
from tests.support import FixedClock, code_of
from tests.unit.contexts.claims.factories import INCIDENT, coverage, eur

NOWHERE = "00000000-0000-7000-8000-000000000000"


async def stored_claims(scene: Scene) -> int:
    async with scene.database.read() as session:
        return (await session.execute(select(func.count(claims.c.id)))).scalar_one()


async def told(scene: Scene) -> list[str]:
    """What claims has told, in order."""
    async with scene.database.read() as session:
        statement = (
            select(outbox.c.type)
            .where(outbox.c.context == "claims")
            .order_by(outbox.c.position)
        )
        return list((await session.scalars(statement)).all())


async def test_a_loss_is_taken_triaged_assigned_and_told(scene: Scene) -> None:
    answer = await scene.holder.post("/claims", json=scene.notice())
    assert answer.status_code == 201
    receipt = answer.json()
    assert receipt["number"] == "CLM-2026-000001"
    assert receipt["status"] == "assigned"
    assert answer.headers["Location"] == f"/api/v1/claims/{receipt['id']}"
    claim = await scene.claim(receipt["id"])
    assert claim["policy_number"] == "POL-2026-000042"
    assert claim["incident_at"] == "2026-03-01T09:30:00Z"
    assert claim["triage"] == {"severity": "standard", "flags": []}
    assert claim["adjuster"]["name"] == "Grace Hopper"
    assert claim["contact"] == {
        "name": "Ada Byron",
        "email": "ada@example.com",
        "phone": None,
    }
    assert claim["evidence_status"] == "pending"
    assert claim["evidence"][0]["window"] == {
        "start": "2026-03-01T09:20:00Z",
        "end": "2026-03-01T09:40:00Z",
    }
    assert claim["reserve"] == {
        "case": {"minor": 850000, "currency": "EUR"},
        "paid": {"minor": 0, "currency": "EUR"},
        "incurred": {"minor": 850000, "currency": "EUR"},
    }
    assert [claim["assessment"], claim["settlement"], claim["decision"]] == [None] * 3
    assert await told(scene) == ["claims.ClaimReported", "claims.EvidenceRequested"]


async def test_repeating_a_report_with_its_key_makes_one_claim(scene: Scene) -> None:
    client = scene.holder
    client.headers["Idempotency-Key"] = "one-loss"
    first = await client.post("/claims", json=scene.notice())
    again = await client.post("/claims", json=scene.notice())
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await stored_claims(scene) == 1
    other = await client.post("/claims", json=scene.notice(injury=True))
    assert other.status_code == 422
    assert code_of(other) == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"incident_at": "2025-12-31T23:59:59Z"}, "incident_outside_term"),
        ({"incident_at": "2026-03-02T12:00:01Z"}, "incident_in_future"),
        ({"robot_id": NOWHERE}, "robot_not_insured"),
        ({"incident_type": "flood"}, "incident_not_covered"),
        ({"estimated_loss": {"minor": -1, "currency": "EUR"}}, "negative_amount"),
        ({"estimated_loss": {"minor": 1, "currency": "USD"}}, "currency_mismatch"),
        ({"contact": {"name": ""}}, "invalid_request"),
        ({"incident_at": "2026-03-01T09:30:00"}, "invalid_request"),
        ({"unheard_of": 1}, "invalid_request"),
    ],
)
async def test_what_is_not_covered_or_not_clear_is_refused_and_leaves_nothing(
    scene: Scene, changes: dict[str, Any], code: str
) -> None:
    answer = await scene.holder.post("/claims", json=scene.notice(**changes))
    assert answer.status_code == 422
    assert code_of(answer) == code
    assert await stored_claims(scene) == 0
    assert await told(scene) == []


async def test_the_incidents_day_is_that_of_the_policys_time_zone(
    scene: Scene, clock: FixedClock
) -> None:
    await scene.bind(
        number="POL-2026-000043",
        term=Term(date(2026, 3, 1), date(2027, 3, 1), "Asia/Tokyo"),
    )
    inside = {"policy_number": "POL-2026-000043", "incident_at": "2026-02-28T15:00:00Z"}
    outside = inside | {"incident_at": "2026-02-28T14:59:59Z"}
    refused = await scene.holder.post("/claims", json=scene.notice(**outside))
    assert code_of(refused) == "incident_outside_term"
    claim = await scene.claim(await scene.report(**inside))
    assert claim["triage"]["flags"] == ["soon_after_inception"]


async def test_an_unknown_policy_or_one_of_others_is_not_found(scene: Scene) -> None:
    unknown = scene.notice(policy_number="POL-2026-999999")
    strangers = scene.api.as_("policyholder", kind="operator")
    for client, body in ((scene.holder, unknown), (strangers, scene.notice())):
        answer = await client.post("/claims", json=body)
        assert answer.status_code == 404
        assert code_of(answer) == "policy_not_found"
    assert await stored_claims(scene) == 0


async def test_who_may_not_report_is_refused(scene: Scene) -> None:
    answer = await scene.staff("underwriter").post("/claims", json=scene.notice())
    assert answer.status_code == 403
    anonymous = await scene.api.anonymous().post("/claims", json=scene.notice())
    assert anonymous.status_code == 401
    assert await stored_claims(scene) == 0


async def test_claims_are_listed_newest_first_to_their_parties_only(
    scene: Scene,
) -> None:
    first = await scene.report()
    second = await scene.report()
    for client in (scene.holder, scene.staff("support")):
        page = (await client.get("/claims", params={"limit": 1})).json()
        assert [item["id"] for item in page["items"]] == [second]
        rest = await client.get("/claims", params={"cursor": page["next_cursor"]})
        assert [item["id"] for item in rest.json()["items"]] == [first]
    for stranger in (
        scene.api.as_("support"),
        scene.api.as_("policyholder", kind="operator"),
    ):
        assert (await stranger.get("/claims")).json()["items"] == []
        for path in ("", "/timeline", "/attachments", "/evidence"):
            hidden = await stranger.get(f"/claims/{first}{path}")
            assert hidden.status_code == 404
            assert code_of(hidden) == "claim_not_found"


async def test_a_list_is_filtered_by_status_policy_and_adjuster(scene: Scene) -> None:
    claim_id = await scene.report()
    adjuster = (await scene.claim(claim_id))["adjuster"]["id"]
    support = scene.staff("support")
    for found in (
        {"status": "assigned"},
        {"policy_number": scene.number},
        {"adjuster": adjuster},
    ):
        items = (await support.get("/claims", params=found)).json()["items"]
        assert [item["id"] for item in items] == [claim_id]
        assert items[0]["estimated_loss"] == {"minor": 900000, "currency": "EUR"}
    for missed in (
        {"status": "paid"},
        {"policy_number": "POL-2026-000001"},
        {"adjuster": str(uuid7())},
    ):
        assert (await support.get("/claims", params=missed)).json()["items"] == []


async def test_the_holder_sees_neither_triage_nor_reserve(scene: Scene) -> None:
    claim_id = await scene.assessed()
    seen = (await scene.holder.get(f"/claims/{claim_id}")).json()
    assert seen["status"] == "assessed"
    hidden = ("triage", "reserve", "assessment", "settlement")
    assert [seen[field] for field in hidden] == [None] * 4
    timeline = (await scene.holder.get(f"/claims/{claim_id}/timeline")).json()
    whats = [entry["what"] for entry in reversed(timeline["items"])]
    assert whats == ["reported", "evidence_requested", "assigned", "evidence_attached"]
    assert timeline["items"][1]["details"] == {"adjuster": "Grace Hopper"}


async def test_a_late_report_is_flagged(scene: Scene, clock: FixedClock) -> None:
    clock.set(INCIDENT + timedelta(days=31))
    claim = await scene.claim(await scene.report())
    assert claim["triage"]["flags"] == ["reported_late"]


async def test_a_policy_known_to_two_coverages_opens_the_reserve_by_the_first(
    scene: Scene,
) -> None:
    liability = coverage(code="liability", deductible=eur("0.00"))
    await scene.bind(number="POL-2026-000044", coverages=(liability, coverage()))
    claim_id = await scene.report(policy_number="POL-2026-000044")
    reserve = (await scene.claim(claim_id))["reserve"]
    assert reserve["case"] == {"minor": 900000, "currency": "EUR"}
