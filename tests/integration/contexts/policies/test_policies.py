from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from pypdf import PdfReader
from sqlalchemy import Table, func, select, text
from sqlalchemy.exc import IntegrityError

from robosure.contexts.policies.repository import SqlPolicies, SqlQuotes, SqlRobots
from robosure.contexts.policies.service import PolicyService
from robosure.contexts.policies.tables import (
    certificates,
    policies,
    robot_ratings,
    transactions,
)
from robosure.kernel.errors import Forbidden, InvalidState
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.outbox import outbox
from robosure.platform.security import Principal
from tests.integration.contexts.policies.conftest import Market
from tests.support import ApiClient, FixedClock, code_of


def eur(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "EUR"}


async def test_binding_a_quote_issues_a_policy(market: Market) -> None:
    # given
    quote = await market.quote()
    # when
    response = await market.bind(quote["id"])
    # then
    assert response.status_code == 201
    policy = response.json()
    assert response.headers["Location"] == f"/api/v1/policies/{policy['id']}"
    assert response.headers["ETag"] == '"1"'
    assert policy["number"] == "POL-2026-000001"
    assert policy["status"] == "scheduled"
    assert policy["term"] == quote["term"]
    assert (policy["premium"], policy["tax"]) == (eur(52900), eur(10051))
    assert policy["total"] == quote["total"] == eur(62951)
    assert policy["taxes"] == quote["taxes"]
    assert policy["instalments"] == 12
    assert [r["robot_id"] for r in policy["robots"]] == [str(market.robot)]
    # and the quote says what became of it
    bound = (await market.underwriter().get(f"/quotes/{quote['id']}")).json()
    assert (bound["status"], bound["policy_id"]) == ("bound", policy["id"])
    # and the policy reads the same afterwards
    again = await market.underwriter().get(f"/policies/{policy['id']}")
    assert again.json() == policy
    assert again.headers["ETag"] == '"1"'


async def test_a_policys_history_begins_with_new_business(market: Market) -> None:
    policy = await market.policy()
    response = await market.underwriter().get(f"/policies/{policy['id']}/transactions")
    page = response.json()
    assert page["next_cursor"] is None
    [first] = page["items"]
    assert (first["sequence"], first["kind"]) == (1, "new_business")
    assert first["effective_on"] == "2026-03-03"
    assert first["issued_at"] == "2026-03-02T12:00:00Z"
    assert (first["premium"], first["tax"]) == (eur(52900), eur(10051))
    [segment] = first["segments"]
    assert segment["span"] == policy["term"]
    assert segment["coverages"] == policy["coverages"]


async def test_a_quote_is_bound_once(market: Market, database: Database) -> None:
    quote = await market.quote()
    await market.bind(quote["id"])
    refused = await market.bind(quote["id"])
    assert (refused.status_code, code_of(refused)) == (409, "quote_already_bound")
    assert await count(database, policies) == 1


async def test_of_ten_who_bind_one_quote_at_once_one_does(
    market: Market, database: Database
) -> None:
    # given
    quote = await market.quote()
    # when
    answers = await asyncio.gather(*(market.bind(quote["id"]) for _ in range(10)))
    # then one has the policy, and the others are told so
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    refused = {code_of(answer) for answer in answers if answer.status_code == 409}
    assert refused == {"quote_already_bound"}
    assert await count(database, policies) == 1
    assert await count(database, transactions) == 1
    assert await told(database, "policies.PolicyBound") == 1


async def test_policies_bound_at_once_have_numbers_without_gaps(
    market: Market,
) -> None:
    quotes = [await market.quote() for _ in range(5)]
    answers = await asyncio.gather(*(market.bind(quote["id"]) for quote in quotes))
    numbers = sorted(answer.json()["number"] for answer in answers)
    assert numbers == [f"POL-2026-{n:06d}" for n in range(1, 6)]


async def test_binding_again_with_the_same_key_answers_the_same(
    market: Market, database: Database
) -> None:
    quote = await market.quote()
    client = market.underwriter(**{"Idempotency-Key": "one-policy"})
    path, body = f"/quotes/{quote['id']}/bind", {"payment_method": "tok_ok"}
    first, second = [await client.post(path, json=body) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    other = await client.post(path, json={"payment_method": "tok_other"})
    assert (other.status_code, code_of(other)) == (422, "idempotency_key_reused")
    assert await count(database, policies) == 1


async def test_an_expired_quote_is_not_bound(
    market: Market, database: Database, clock: FixedClock
) -> None:
    quote = await market.quote()
    clock.advance(timedelta(days=30))
    refused = await market.bind(quote["id"])
    assert (refused.status_code, code_of(refused)) == (409, "quote_expired")
    assert await count(database, policies) == 0


async def test_a_quote_that_changed_since_it_was_read_is_not_bound(
    market: Market, database: Database
) -> None:
    quote = await market.quote()
    client = market.underwriter(**{"If-Match": '"2"'})
    refused = await client.post(
        f"/quotes/{quote['id']}/bind", json={"payment_method": "tok_ok"}
    )
    assert (refused.status_code, code_of(refused)) == (412, "stale_version")
    assert await count(database, policies) == 0


async def test_an_underwriter_may_backdate_and_others_may_not(
    market: Market, database: Database, clock: FixedClock, api: ApiClient
) -> None:
    # given a quote for cover that began yesterday
    quote = await market.quote(term={"inception": "2026-03-01"})
    # when someone binds who may bind but not backdate
    principal = api.principal("underwriter", organisation=market.insurer)
    with pytest.raises(Forbidden, match="backdating not permitted"):
        await bind(database, clock, quote["id"], without_backdating(principal))
    # then nothing is sold
    assert await count(database, policies) == 0
    # and an underwriter sells it
    assert (await market.bind(quote["id"])).json()["status"] == "in_force"


async def test_the_database_too_keeps_a_second_policy_off_a_quote(
    market: Market, database: Database, clock: FixedClock, api: ApiClient
) -> None:
    # given a bound quote whose row forgot it
    quote = await market.quote()
    await market.bind(quote["id"])
    async with database.write() as session:
        await session.execute(text("UPDATE policies.quotes SET policy_id = NULL"))
    # when it is bound again / then the constraint refuses
    principal = api.principal("underwriter", organisation=market.insurer)
    with pytest.raises(InvalidState, match="quote already bound"):
        await bind(database, clock, quote["id"], principal)
    assert await count(database, policies) == 1


async def test_another_insurers_quote_cannot_be_bound(
    market: Market, database: Database, api: ApiClient
) -> None:
    quote = await market.quote()
    path, body = f"/quotes/{quote['id']}/bind", {"payment_method": "tok_ok"}
    stranger = await api.as_("underwriter").post(path, json=body)
    assert (stranger.status_code, code_of(stranger)) == (404, "quote_not_found")
    holder = await market.policyholder().post(path, json=body)
    assert (holder.status_code, code_of(holder)) == (403, "permission_required")
    assert await count(database, policies) == 0


async def test_a_transaction_can_neither_be_changed_nor_deleted(
    market: Market, database: Database
) -> None:
    await market.policy()
    for change in (
        "UPDATE policies.transactions SET sequence = 2",
        "DELETE FROM policies.transactions",
    ):
        with pytest.raises(IntegrityError, match="only ever added to"):
            async with database.write() as session:
                await session.execute(text(change))
    assert await count(database, transactions) == 1


async def test_policies_are_seen_by_their_insurer_and_their_holder_only(
    market: Market, api: ApiClient
) -> None:
    policy = await market.policy()
    path = f"/policies/{policy['id']}"
    for client in (market.underwriter(), market.policyholder()):
        assert (await client.get(path)).json() == policy
    stranger = api.as_("underwriter")
    for suffix in ("", "/transactions", "/certificate"):
        refused = await stranger.get(path + suffix)
        assert (refused.status_code, code_of(refused)) == (404, "policy_not_found")
    assert (await stranger.get("/policies")).json()["items"] == []


async def test_policies_are_found_by_number_day_status_and_holder(
    market: Market, clock: FixedClock
) -> None:
    first = await market.policy()
    later = await market.policy(term={"inception": "2027-03-03"})

    async def numbers(query: str) -> list[str]:
        response = await market.policyholder().get(f"/policies?{query}")
        return [item["number"] for item in response.json()["items"]]

    both = [later["number"], first["number"]]
    assert await numbers("number=POL-2026-000001") == [first["number"]]
    assert await numbers("number=POL-2026-000009") == []
    assert await numbers("in_force_on=2026-03-02") == []
    assert await numbers("in_force_on=2027-03-02") == [first["number"]]
    assert await numbers("in_force_on=2027-03-03") == [later["number"]]
    assert await numbers(f"holder_id={market.operator}") == both
    assert await numbers(f"holder_id={uuid7()}") == []
    assert await numbers("status=scheduled") == both
    # midnight in Berlin is 23:00 in UTC: the day is the policy's own
    clock.set(clock.now().replace(day=2, hour=23, minute=0))
    assert await numbers("status=in_force") == [first["number"]]
    clock.advance(timedelta(days=365))
    assert await numbers("status=ended") == [first["number"]]


async def test_the_certificate_is_a_pdf_that_says_what_was_sold(
    market: Market,
) -> None:
    policy = await market.policy()
    response = await market.policyholder().get(f"/policies/{policy['id']}/certificate")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/pdf"
    reader = PdfReader(BytesIO(response.content))
    assert len(reader.pages) == 1
    words = " ".join(reader.pages[0].extract_text().split())
    for said in (
        "Certificate of insurance",
        "POL-2026-000001",
        "Robosure Mutual",
        "Fließband & Söhne GmbH",
        "UR3-20195300456",
        "25,000.00 EUR",
        "Physical damage",
        "100,000.00 EUR",
        "1,000.00 EUR",
        "3 March 2026, 00:00",
        "3 March 2027, 00:00",
        "Europe/Berlin",
        "529.00 EUR",
        "Versicherungsteuer, 19 %",
        "100.51 EUR",
        "629.51 EUR",
        "POL-2026-000001/1",
        "new business",
    ):
        assert said in words, words


async def test_the_certificate_is_made_once_and_always_the_same(
    market: Market, database: Database
) -> None:
    policy = await market.policy()
    path = f"/policies/{policy['id']}/certificate"
    answers = await asyncio.gather(*(market.underwriter().get(path) for _ in range(4)))
    again = await market.policyholder().get(path)
    assert {a.status_code for a in answers} == {200}
    assert {a.content for a in answers} == {again.content}
    assert await count(database, certificates) == 1


async def test_a_certificate_waits_for_the_names_it_must_say(
    market: Market, database: Database
) -> None:
    policy = await market.policy()
    async with database.write() as session:
        await session.execute(text("DELETE FROM policies.organisations"))
    refused = await market.underwriter().get(f"/policies/{policy['id']}/certificate")
    assert (refused.status_code, code_of(refused)) == (
        409,
        "organisation_not_yet_known",
    )
    assert await count(database, certificates) == 0


async def test_binding_remembers_how_the_robot_was_rated(
    market: Market, database: Database
) -> None:
    await market.score("45.0", "1.20")
    await market.quote()
    assert await count(database, robot_ratings) == 0
    await market.policy()
    async with database.read() as session:
        [row] = (await session.execute(select(robot_ratings))).all()
    assert (row.insurer_id, row.robot_id) == (market.insurer, market.robot)
    assert (str(row.score), row.band, str(row.multiplier)) == (
        "45.0",
        "elevated",
        "1.20",
    )


async def bind(
    database: Database, clock: FixedClock, quote_id: str, by: Principal
) -> None:
    async with database.write() as session:
        service = PolicyService(
            SqlQuotes(session), SqlPolicies(session), SqlRobots(session), clock=clock
        )
        await service.bind(by, UUID(quote_id), payment_method="tok_ok")


def without_backdating(principal: Principal) -> Principal:
    fewer = principal.permissions - {"policies:backdate"}
    return replace(principal, permissions=fewer)


async def count(database: Database, table: Table) -> int:
    async with database.read() as session:
        counted = await session.scalar(select(func.count()).select_from(table))
    return counted or 0


async def told(database: Database, type_: str) -> int:
    async with database.read() as session:
        counted = await session.scalar(
            select(func.count()).select_from(outbox).where(outbox.c.type == type_)
        )
    return counted or 0
