"""Payments over HTTP: who sees what, retrying, and the processor's notifications."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from robosure.contexts.payments.domain import Operation
from robosure.contexts.payments.service import PaymentService
from robosure.contexts.payments.tables import (
    instalments,
    ledger_transactions,
    sandbox_operations,
)
from robosure.kernel.ids import uuid7
from robosure.platform.events import publish
from robosure.platform.runtime import Runtime
from tests.integration.contexts.payments.conftest import Rows, Start
from tests.support import ApiClient, Delivery, code_of
from tests.unit.contexts.payments.factories import (
    NOON,
    eur,
    payout_requested,
    policy_bound,
)

Run = Callable[..., Awaitable[None]]
INSURER, HOLDER = uuid7(), uuid7()


async def items(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.json()["items"]
    return listed


async def test_a_policy_bound_elsewhere_is_planned_booked_and_charged(
    api: ApiClient, deliver: Delivery, runtime: Runtime
) -> None:
    # given a policy for 1,000.00 and 12 % tax in three instalments
    bound = policy_bound(
        total=eur("1120.00"),
        tax=eur("120.00"),
        instalments=3,
        insurer_id=INSURER,
        holder_id=HOLDER,
    )
    # when it is told to be bound
    async with runtime.database.write() as session:
        publish(session, bound)
    await deliver()
    # then the first instalment is taken at once
    async with api.as_("admin", organisation=INSURER) as admin:
        plan = await items(
            await admin.get("/instalments", params={"policy_id": str(bound.policy_id)})
        )
        balances = (await admin.get("/ledger/balances")).json()
        by_status = await items(
            await admin.get("/instalments", params={"status": "paid"})
        )
    assert [
        (i["sequence"], i["amount"]["minor"], i["due_on"], i["status"]) for i in plan
    ] == [
        (3, 37333, "2026-11-02", "scheduled"),
        (2, 37333, "2026-07-02", "scheduled"),
        (1, 37334, "2026-03-02", "paid"),
    ]
    assert [i["id"] for i in by_status] == [plan[2]["id"]]
    assert plan[2]["paid_at"] == "2026-03-02T12:00:00Z"
    # and the books say so
    assert balances == {
        "accounts": [
            {"account": a, "balance": {"minor": m, "currency": "EUR"}, "entries": n}
            for a, m, n in (
                ("assets:cash", 37334, 1),
                (f"assets:premium_receivable:{bound.number}", 74666, 2),
                ("income:written_premium", -100000, 1),
                ("liabilities:premium_tax", -12000, 1),
            )
        ],
        "totals": [{"currency": "EUR", "transactions": 2, "sum_minor": 0}],
    }


async def test_a_payout_requested_elsewhere_is_paid(
    api: ApiClient, deliver: Delivery, runtime: Runtime
) -> None:
    requested = payout_requested(insurer_id=INSURER, payee_id=HOLDER)
    async with runtime.database.write() as session:
        publish(session, requested)
    await deliver()
    async with api.as_("adjuster", organisation=INSURER) as adjuster:
        (payout,) = await items(
            await adjuster.get("/payouts", params={"claim_number": "CLM-2026-000001"})
        )
    assert payout == {
        "id": str(requested.payout_id),
        "claim_id": str(requested.claim_id),
        "claim_number": "CLM-2026-000001",
        "payee_id": str(HOLDER),
        "amount": {"minor": 75000, "currency": "EUR"},
        "status": "paid",
        "requested_at": "2026-03-02T12:00:00Z",
        "paid_at": "2026-03-02T12:00:00Z",
        "failure_reason": None,
    }
    async with api.as_("compliance", organisation=INSURER) as compliance:
        (transaction,) = await items(
            await compliance.get(
                "/ledger/transactions", params={"claim_id": str(requested.claim_id)}
            )
        )
    assert transaction["kind"] == "claim_paid"
    assert transaction["reference"] == "CLM-2026-000001"
    assert transaction["entries"] == [
        {
            "account": "expenses:claims_paid",
            "amount": {"minor": 75000, "currency": "EUR"},
        },
        {"account": "assets:cash", "amount": {"minor": -75000, "currency": "EUR"}},
    ]


async def test_the_ledger_pages_by_cursor(
    api: ApiClient, planned: Start, charge: Run
) -> None:
    for _ in range(3):
        await planned(insurer_id=INSURER)
    await charge()
    async with api.as_("admin", organisation=INSURER) as admin:
        seen, cursor = list[str](), None
        while True:
            page = (
                await admin.get(
                    "/ledger/transactions",
                    params={"limit": 4, **({"cursor": cursor} if cursor else {})},
                )
            ).json()
            seen += [t["id"] for t in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert len(seen) == len(set(seen)) == 6
    assert seen == sorted(seen, reverse=True)


async def test_an_organisation_sees_its_own_and_nobody_elses(
    api: ApiClient, planned: Start, requested: Start, charge: Run
) -> None:
    # given money between an insurer and a holder
    instalment_id = await planned(insurer_id=INSURER, holder_id=HOLDER)
    await requested(insurer_id=INSURER, payee_id=HOLDER)
    await charge()
    # when the two and a stranger look
    for organisation, role, expected in (
        (INSURER, "support", 1),
        (HOLDER, "policyholder", 1),
        (uuid7(), "admin", 0),
    ):
        async with api.as_(role, organisation=organisation) as someone:
            # then each sees what is theirs
            assert len(await items(await someone.get("/instalments"))) == expected
            assert len(await items(await someone.get("/payouts"))) == expected
            one = await someone.get(f"/instalments/{instalment_id}")
            assert one.status_code == (200 if expected else 404)
    # and the books are the insurer's alone
    async with api.as_("admin", organisation=HOLDER) as holder:
        assert await items(await holder.get("/ledger/transactions")) == []
        assert (await holder.get("/ledger/balances")).json() == {
            "accounts": [],
            "totals": [],
        }


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("device", "/instalments"),
        ("risk_analyst", "/payouts"),
        ("support", "/ledger/balances"),
        ("policyholder", "/ledger/transactions"),
    ],
)
async def test_who_may_not_look_is_refused(
    api: ApiClient, role: str, path: str
) -> None:
    async with api.as_(role) as someone:
        response = await someone.get(path)
    assert response.status_code == 403
    assert code_of(response) == "permission_required"


async def test_a_failed_instalment_is_retried_with_another_card(
    api: ApiClient, planned: Start, charge: Run, deliver: Delivery
) -> None:
    # given an instalment whose card was declined
    instalment_id = await planned(insurer_id=INSURER, payment_method="tok_declined")
    await charge()
    # when it is retried with a card that works, and the request is repeated
    async with api.as_("support", organisation=INSURER) as support:
        retry = f"/instalments/{instalment_id}/retry"
        body, key = {"payment_method": "tok_ok"}, {"Idempotency-Key": str(uuid7())}
        first = await support.post(retry, json=body, headers=key)
        again = await support.post(retry, json=body, headers=key)
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
        assert first.json()["status"] == "scheduled"
        await deliver()
        # then it is paid on the second attempt
        paid = (await support.get(f"/instalments/{instalment_id}")).json()
    assert (paid["status"], paid["attempts"]) == ("paid", 2)
    assert paid["failure_reason"] is None


async def test_a_retry_is_refused_unless_it_is_ones_own_and_failed(
    api: ApiClient, planned: Start, charge: Run, rows: Rows
) -> None:
    instalment_id = await planned(insurer_id=INSURER, holder_id=HOLDER)
    await charge()
    before = await rows(instalments)
    for organisation, role, status, code in (
        (INSURER, "admin", 409, "instalment_not_failed"),
        (HOLDER, "admin", 404, "instalment_not_found"),
        (HOLDER, "policyholder", 403, "permission_required"),
    ):
        async with api.as_(role, organisation=organisation) as someone:
            response = await someone.post(
                f"/instalments/{instalment_id}/retry", json={}
            )
        assert (response.status_code, code_of(response)) == (status, code)
    assert await rows(instalments) == before


def signed(body: bytes, secret: str = "sandbox") -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, "sha256").hexdigest()
    return {"X-Processor-Signature": digest, "Content-Type": "application/json"}


def notification(reference: str, declined: str | None = None) -> bytes:
    return json.dumps(
        {"operation": "charge", "reference": reference, "declined": declined}
    ).encode()


NOTIFY = "/payments/processor-notifications"


@pytest.fixture
async def reference(planned: Start, runtime: Runtime) -> str:
    """A charge whose answer has not come."""
    await planned()
    async with runtime.database.write() as session:
        order = await PaymentService.on(session).next_order(
            Operation.CHARGE, among=(), at=NOON
        )
    assert order is not None
    return order.reference


async def test_a_notification_settles_a_charge_once(
    api: ApiClient, reference: str, charge: Run, rows: Rows
) -> None:
    # given a charge whose answer has not come
    body = notification(reference)
    # when the processor sends it by itself, twice
    async with api.anonymous() as processor:
        for _ in range(2):
            response = await processor.post(NOTIFY, content=body, headers=signed(body))
            assert response.status_code == 204, response.text
    # then it is booked once, and the processor is not asked any more
    await charge()
    assert [row.status for row in await rows(instalments)] == ["paid"]
    assert len(await rows(ledger_transactions)) == 2
    assert await rows(sandbox_operations) == []


async def test_a_notification_that_is_not_the_processors_is_refused(
    api: ApiClient, reference: str, rows: Rows
) -> None:
    before = await rows(instalments)
    body = notification(reference)
    forged = signed(body, secret="guessed")
    altered = {**signed(notification(reference, "card_declined"))}
    unreadable = {
        **signed(body),
        "X-Processor-Signature": "é".encode().decode("latin-1"),
    }
    async with api.anonymous() as stranger:
        for headers in (forged, altered):
            response = await stranger.post(NOTIFY, content=body, headers=headers)
            assert response.status_code == 401
            assert code_of(response) == "invalid_signature"
        response = await stranger.post(
            NOTIFY,
            content=body,
            headers=[(k.encode(), v.encode("latin-1")) for k, v in unreadable.items()],
        )
        assert response.status_code == 401
        unsigned = await stranger.post(NOTIFY, content=body)
        assert unsigned.status_code == 422
    assert await rows(instalments) == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 422, "invalid_notification"),
        (b'{"operation": "refund"}', 422, "invalid_notification"),
        (notification("nonsense"), 404, "payment_order_not_found"),
        (notification(f"{UUID(int=5)}:1"), 404, "instalment_not_found"),
    ],
)
async def test_a_notification_that_means_nothing_is_refused(
    api: ApiClient, body: bytes, status: int, code: str
) -> None:
    async with api.anonymous() as processor:
        response = await processor.post(NOTIFY, content=body, headers=signed(body))
    assert (response.status_code, code_of(response)) == (status, code)


async def test_a_notification_of_an_attempt_never_made_is_refused(
    api: ApiClient, reference: str, rows: Rows
) -> None:
    before = await rows(instalments)
    body = notification(reference[:-1] + "2")
    async with api.anonymous() as processor:
        response = await processor.post(NOTIFY, content=body, headers=signed(body))
    assert (response.status_code, code_of(response)) == (404, "payment_order_not_found")
    assert await rows(instalments) == before
