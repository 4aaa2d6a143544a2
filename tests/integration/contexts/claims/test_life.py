"""From assessment to payment over HTTP: who decides, what is paid, what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from robosure.contexts.payments.events import PayoutCompleted
from robosure.kernel.ids import uuid7
from robosure.platform.streams.letters import dead_letters
from tests.integration.contexts.claims.conftest import Scene
from tests.support import code_of
from tests.unit.contexts.claims.factories import NOON, eur


def minor(amount: dict[str, Any]) -> int:
    assert amount["currency"] == "EUR"
    return int(amount["minor"])


async def whats(scene: Scene, claim_id: str) -> list[str]:
    answer = await scene.admin.get(
        f"/claims/{claim_id}/timeline", params={"limit": 200}
    )
    return [entry["what"] for entry in reversed(answer.json()["items"])]


async def test_a_claim_is_settled_approved_and_paid(scene: Scene) -> None:
    # given a claim that is proven and assessed
    claim_id = await scene.assessed(notes="Joint 3 is beyond repair.")
    # when someone else approves it, and the money arrives
    answer = await scene.admin.post(f"/claims/{claim_id}/approve")
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "payout_requested"
    await scene.deliver()
    # then it is closed, and shows how it came to its amount
    claim = await scene.claim(claim_id)
    assert claim["status"] == "paid"
    assert claim["assessment"]["notes"] == "Joint 3 is beyond repair."
    assert claim["decision"]["approved"] is True
    assert minor(claim["settlement"]["amount"]) == 850000
    assert [
        (step["name"], minor(step["before"]), minor(step["after"]))
        for step in claim["settlement"]["steps"]
    ] == [
        ("loss_value", 900000, 900000),
        ("deductible", 900000, 850000),
        ("occurrence_limit", 850000, 850000),
        ("aggregate_limit", 850000, 850000),
    ]
    reserve = {name: minor(amount) for name, amount in claim["reserve"].items()}
    assert reserve == {"case": 0, "paid": 850000, "incurred": 850000}
    assert await whats(scene, claim_id) == [
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
    # and the holder is shown the settlement now
    seen = (await scene.holder.get(f"/claims/{claim_id}")).json()
    assert minor(seen["settlement"]["amount"]) == 850000
    assert (seen["assessment"], seen["reserve"]) == (None, None)


async def test_the_published_figure_comes_out_over_http(scene: Scene) -> None:
    # given a robot insured for 275,000 where 80 % of 400,000 should be
    await scene.bind(number="POL-2026-000050", insured_value=eur("275000.00"))
    claim_id = await scene.report(policy_number="POL-2026-000050")
    await scene.attach_telemetry(claim_id)
    adjuster = UUID((await scene.claim(claim_id))["adjuster"]["id"])
    answer = await scene.assess(
        claim_id,
        adjuster,
        coinsurance={
            "clause": "0.80",
            "value_at_risk": {"minor": 40000000, "currency": "EUR"},
        },
        actual_cash_value={"minor": 600000, "currency": "EUR"},
    )
    assert answer.status_code == 200, answer.text
    claim = await scene.claim(claim_id)
    assert minor(claim["settlement"]["amount"]) == 730469
    assert claim["assessment"]["coinsurance"]["clause"] == "0.80"


async def test_a_settlement_of_nothing_closes_without_payment(scene: Scene) -> None:
    claim_id = await scene.assessed(loss_value={"minor": 50000, "currency": "EUR"})
    await scene.admin.post(f"/claims/{claim_id}/approve")
    await scene.deliver()
    claim = await scene.claim(claim_id)
    assert claim["status"] == "closed_without_payment"
    assert minor(claim["settlement"]["amount"]) == 0
    assert minor(claim["reserve"]["incurred"]) == 0


async def test_a_key_cannot_decide_for_it_is_not_a_second_person(scene: Scene) -> None:
    # given an assessed claim, and a key that holds the permission to approve
    claim_id = await scene.assessed()
    person = scene.api.principal("admin", organisation=scene.insurer_id)
    key = replace(person, kind="api_key")
    # when the key approves
    with scene.api.taking_all_for(key):
        answer = await scene.api.anonymous().post(f"/claims/{claim_id}/approve")
    # then it is refused, and nothing is decided
    assert (answer.status_code, code_of(answer)) == (403, "person_required")
    assert (await scene.claim(claim_id))["status"] == "assessed"


async def test_the_assessor_cannot_approve(scene: Scene) -> None:
    claim_id = await scene.assessed()
    assessor = UUID((await scene.claim(claim_id))["assessment"]["assessed_by"])
    answer = await scene.staff("admin", assessor).post(f"/claims/{claim_id}/approve")
    assert answer.status_code == 403
    assert code_of(answer) == "assessor_cannot_approve"
    assert (await scene.claim(claim_id))["status"] == "assessed"


async def test_an_adjuster_approves_up_to_their_authority_and_no_further(
    scene: Scene,
) -> None:
    # given settlements of 10,000.00 and a cent more, which adjusters may and may not
    within = await scene.assessed(loss_value={"minor": 1050000, "currency": "EUR"})
    above = await scene.assessed(loss_value={"minor": 1050001, "currency": "EUR"})
    adjuster = scene.staff("adjuster")
    answer = await adjuster.post(f"/claims/{within}/approve")
    assert answer.status_code == 200, answer.text
    # when the one above is approved
    before = await scene.claim(above)
    refused = await adjuster.post(f"/claims/{above}/approve")
    # then the answer says how much they may, and who may approve as much
    assert (refused.status_code, code_of(refused)) == (403, "above_authority")
    assert refused.json()["context"] == {
        "amount": "10,000.01 EUR",
        "allowed": "10,000.00 EUR",
        "allowed_minor": 1000000,
        "currency": "EUR",
        "roles": ["admin"],
    }
    # and the claim is as it was
    assert await scene.claim(above) == before
    assert (await scene.admin.post(f"/claims/{above}/approve")).status_code == 200


async def test_a_limit_of_ones_own_holds_from_the_moment_it_is_approved(
    scene: Scene,
) -> None:
    # given an adjuster whose own limit is lower than that of adjusters
    person = {
        "email": "grace@example.com",
        "name": "Grace",
        "password": "a long enough password",
        "roles": ["adjuster"],
    }
    user = (await scene.admin.post("/users", json=person)).json()["id"]
    proposal = {
        "decision": "settlement",
        "user_id": user,
        "amount": {"minor": 849999, "currency": "EUR"},
        "reason": "On probation.",
    }
    limit = (await scene.admin.post("/authority-limits", json=proposal)).json()["id"]
    assert (
        await scene.admin.post(f"/authority-limits/{limit}/approve")
    ).status_code == 200
    # when they approve more
    claim_id = await scene.assessed()
    grace = scene.staff("adjuster", UUID(user))
    refused = await grace.post(f"/claims/{claim_id}/approve")
    # then another adjuster may, but not they
    assert (refused.status_code, code_of(refused)) == (403, "above_authority")
    assert refused.json()["context"]["roles"] == ["adjuster", "admin"]
    other = await scene.staff("adjuster").post(f"/claims/{claim_id}/approve")
    assert other.status_code == 200


async def test_who_reported_a_loss_cannot_approve_it(scene: Scene) -> None:
    # given a claim that someone of the insurer's took down
    clerk = uuid7()
    client = scene.staff("admin", clerk)
    claim_id = (await client.post("/claims", json=scene.notice())).json()["id"]
    await scene.attach_telemetry(claim_id)
    adjuster = UUID((await scene.claim(claim_id))["adjuster"]["id"])
    await scene.assess(claim_id, adjuster)
    # when they approve it
    refused = await client.post(f"/claims/{claim_id}/approve")
    # then
    assert (refused.status_code, code_of(refused)) == (403, "reporter_cannot_approve")
    assert (await scene.claim(claim_id))["status"] == "assessed"


async def test_nothing_is_approved_while_evidence_is_pending(scene: Scene) -> None:
    claim_id = await scene.report()
    adjuster = UUID((await scene.claim(claim_id))["adjuster"]["id"])
    assert (await scene.assess(claim_id, adjuster)).status_code == 200
    answer = await scene.admin.post(f"/claims/{claim_id}/approve")
    assert answer.status_code == 409
    assert code_of(answer) == "evidence_pending"
    assert (await scene.claim(claim_id))["status"] == "assessed"


async def test_only_the_claims_adjuster_or_an_admin_assesses(scene: Scene) -> None:
    claim_id = await scene.report()
    answer = await scene.assess(claim_id, uuid7())
    assert answer.status_code == 403
    assert code_of(answer) == "not_the_adjuster"
    body = {
        "coverage_code": "physical-damage",
        "basis": "actual_cash_value",
        "loss_value": {"minor": 100000, "currency": "EUR"},
    }
    answer = await scene.admin.post(f"/claims/{claim_id}/assessment", json=body)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"coverage_code": "cyber"}, "coverage_does_not_respond"),
        ({"loss_value": {"minor": -1, "currency": "EUR"}}, "negative_amount"),
        ({"loss_value": {"minor": 1, "currency": "USD"}}, "currency_mismatch"),
        (
            {"actual_cash_value": {"minor": 900001, "currency": "EUR"}},
            "actual_cash_value_above_replacement_cost",
        ),
        ({"basis": "sentimental"}, "invalid_request"),
    ],
)
async def test_an_impossible_assessment_changes_nothing(
    scene: Scene, changes: dict[str, Any], code: str
) -> None:
    claim_id = await scene.report()
    before = await scene.claim(claim_id)
    answer = await scene.assess(claim_id, UUID(before["adjuster"]["id"]), **changes)
    assert answer.status_code == 422
    assert code_of(answer) == code
    assert await scene.claim(claim_id) == before


async def test_the_other_side_of_the_policy_decides_nothing(scene: Scene) -> None:
    claim_id = await scene.assessed()
    # given an admin of the holder's own organisation, who may read the claim
    holder = scene.api.as_("admin", organisation=scene.holder_id, kind="operator")
    assert (await holder.get(f"/claims/{claim_id}")).status_code == 200
    stranger = scene.api.as_("admin")
    commands = {
        "approve": None,
        "decline": {"reason": "no"},
        "payout": None,
        "assign": {"adjuster_id": str(uuid7())},
    }
    for command, body in commands.items():
        path = f"/claims/{claim_id}/{command}"
        refused = await holder.post(path, json=body)
        assert refused.status_code == 403
        assert code_of(refused) == "insurer_only"
        assert code_of(await stranger.post(path, json=body)) == "claim_not_found"
    assert (await scene.claim(claim_id))["status"] == "assessed"


async def test_a_declined_claim_shows_the_holder_why(scene: Scene) -> None:
    claim_id = await scene.assessed()
    answer = await scene.admin.post(
        f"/claims/{claim_id}/decline", json={"reason": "wear and tear"}
    )
    assert answer.json()["status"] == "declined"
    seen = (await scene.holder.get(f"/claims/{claim_id}")).json()
    assert seen["decision"]["approved"] is False
    assert seen["decision"]["reason"] == "wear and tear"
    assert seen["settlement"] is None
    assert minor((await scene.claim(claim_id))["reserve"]["incurred"]) == 0
    again = await scene.admin.post(f"/claims/{claim_id}/approve")
    assert again.status_code == 409
    assert code_of(again) == "claim_decided"


async def test_a_command_on_an_older_version_is_refused(scene: Scene) -> None:
    claim_id = await scene.report()
    seen = (await scene.admin.get(f"/claims/{claim_id}")).headers["ETag"]
    # when the evidence arrives meanwhile
    await scene.attach_telemetry(claim_id)
    now = (await scene.admin.get(f"/claims/{claim_id}")).headers["ETag"]
    assert now != seen
    # then what was decided on the older version does not hold
    body = {"reason": "no"}
    stale = await scene.admin.post(
        f"/claims/{claim_id}/decline", json=body, headers={"If-Match": seen}
    )
    assert stale.status_code == 412
    assert code_of(stale) == "stale_version"
    assert (await scene.claim(claim_id))["status"] == "assigned"
    fresh = await scene.admin.post(
        f"/claims/{claim_id}/decline", json=body, headers={"If-Match": now}
    )
    assert fresh.status_code == 200


async def test_a_payment_that_failed_may_be_asked_for_again(scene: Scene) -> None:
    # given a holder whose bank takes no payouts
    await scene.bind(number="POL-2026-000060", payment_method="tok_payout_declined")
    claim_id = await scene.report(policy_number="POL-2026-000060")
    await scene.attach_telemetry(claim_id)
    adjuster = UUID((await scene.claim(claim_id))["adjuster"]["id"])
    await scene.assess(claim_id, adjuster)
    # when the approved settlement cannot be paid
    await scene.admin.post(f"/claims/{claim_id}/approve")
    await scene.deliver()
    claim = await scene.claim(claim_id)
    assert claim["status"] == "approved"
    assert minor(claim["reserve"]["case"]) == 850000
    assert (await whats(scene, claim_id))[-1] == "payout_failed"
    # then it may be asked for again
    answer = await scene.admin.post(f"/claims/{claim_id}/payout")
    assert answer.json()["status"] == "payout_requested"
    twice = await scene.admin.post(f"/claims/{claim_id}/payout")
    assert code_of(twice) == "payout_not_due"


async def test_repeating_an_approval_with_its_key_pays_once(scene: Scene) -> None:
    claim_id = await scene.assessed()
    admin = scene.admin
    admin.headers["Idempotency-Key"] = "approve-once"
    first = await admin.post(f"/claims/{claim_id}/approve")
    again = await admin.post(f"/claims/{claim_id}/approve")
    assert again.json() == first.json()
    assert (await whats(scene, claim_id)).count("payout_requested") == 1


async def test_two_approvals_of_one_claim_at_once_pay_once(scene: Scene) -> None:
    claim_id = await scene.assessed()
    answers = await asyncio.gather(
        *(scene.admin.post(f"/claims/{claim_id}/approve") for _ in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert (await whats(scene, claim_id)).count("payout_requested") == 1
    await scene.deliver()
    claim = await scene.claim(claim_id)
    assert minor(claim["reserve"]["paid"]) == 850000


async def test_a_payment_no_claim_awaits_is_put_aside_for_somebody_to_look(
    scene: Scene,
) -> None:
    # given a claim that is assessed, and so awaits no payment yet
    claim_id = await scene.assessed()
    before = await scene.claim(claim_id)
    # when payments for it and for no claim at all are told
    paid = [
        PayoutCompleted(uuid7(), claim, eur("1.00"), NOON)
        for claim in (UUID(claim_id), uuid7())
    ]
    await scene.tell(*paid)
    # then nothing changes, and both are kept among the failed
    assert await scene.claim(claim_id) == before
    async with scene.database.read() as session:
        statement = select(dead_letters.c.type, dead_letters.c.consumer)
        kept = (await session.execute(statement)).all()
    assert [tuple(row) for row in kept] == [("payments.PayoutCompleted", "claims")] * 2
