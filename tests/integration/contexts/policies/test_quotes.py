from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from robosure.contexts.catalog.events import FactorBand, RatingFactor, TaxRule
from robosure.contexts.policies.tables import quotes
from robosure.contexts.robots.events import RobotChanged
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from tests.integration.contexts.policies.conftest import (
    LATER,
    Market,
    Tell,
    published,
    registered,
)
from tests.support import ApiClient, FixedClock, code_of
from tests.unit.contexts.policies.factories import NOON, terms_of

EUR = "EUR"


def eur(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": EUR}


async def test_a_quote_shows_the_price_with_and_without_telemetry(
    market: Market,
) -> None:
    # given a robot whose telemetry makes it dearer by a fifth
    await market.score("45.0", "1.20")
    # when
    response = await market.underwriter().post("/quotes", json=market.body())
    # then
    assert response.status_code == 201
    quote = response.json()
    assert response.headers["Location"] == f"/api/v1/quotes/{quote['id']}"
    assert response.headers["ETag"] == '"1"'
    assert quote["status"] == "open"
    assert quote["valid_until"] == "2026-04-01T12:00:00Z"
    assert quote["product"] == {"code": "robot-basic", "version": 1}
    assert quote["term"] == {
        "inception": "2026-03-03",
        "expiry": "2027-03-03",
        "time_zone": "Europe/Berlin",
    }
    # 405 x 1.20 + 99 x 1.20 + 25 = 629.80, and 19 % of it
    assert quote["premium"] == eur(62980)
    assert quote["premium_without_telemetry"] == eur(52900)
    assert quote["taxes"] == [
        {"name": "Versicherungsteuer", "rate": "0.19", "amount": eur(11966)}
    ]
    assert (quote["tax"], quote["total"]) == (eur(11966), eur(74946))
    assert quote["instalments"]["count"] == 12
    assert sum(a["minor"] for a in quote["instalments"]["amounts"]) == 74946
    [robot] = quote["robots"]
    assert robot["serial_number"] == "UR3-20195300456"
    assert (robot["insured_value"], robot["premium"]) == (eur(2500000), eur(62980))
    assert robot["factors"][-1] == {
        "code": "telemetry",
        "name": "Risk score from telemetry",
        "value": "45.0",
        "band": "elevated",
        "relativity": "1.20",
    }
    assert [
        (c["code"], c["limit"], c["deductible"], c["premium"])
        for c in quote["coverages"]
    ] == [
        ("physical-damage", eur(10000000), eur(100000), eur(50609)),
        ("cyber", eur(10000000), eur(0), eur(12371)),
    ]
    # and it reads the same afterwards
    again = await market.underwriter().get(f"/quotes/{quote['id']}")
    assert again.json() == quote
    assert again.headers["ETag"] == '"1"'


async def test_a_robot_that_is_not_scored_says_so(market: Market) -> None:
    quote = await market.quote()
    telemetry = quote["robots"][0]["factors"][-1]
    assert telemetry["value"] == "not yet scored"
    assert telemetry["relativity"] == "1.00"
    assert quote["premium"] == quote["premium_without_telemetry"] == eur(52900)


async def test_the_latest_score_counts_in_whatever_order_scores_arrive(
    market: Market,
) -> None:
    await market.score("70.0", "1.50", at=LATER)
    await market.score("10.0", "0.80", at=NOON)
    quote = await market.quote()
    assert quote["robots"][0]["factors"][-1]["value"] == "70.0"


async def test_a_robot_rated_before_moves_by_a_tenth_and_keeps_its_band(
    market: Market,
) -> None:
    # given a robot that was covered at 1.20, in the elevated band
    await market.score("45.0", "1.20")
    await market.policy()
    # when its score falls just below the band, and its multiplier far
    await market.score("38.5", "0.90", at=LATER)
    quote = await market.quote()
    # then the price follows by a tenth, and the band does not follow yet
    telemetry = quote["robots"][0]["factors"][-1]
    assert telemetry["relativity"] == "1.10"
    assert (telemetry["value"], telemetry["band"]) == ("38.5", "elevated")


async def test_a_robot_that_moved_is_rated_by_where_it_works_now(
    market: Market, tell: Tell
) -> None:
    # given a product that rates by where a robot works, and a robot in a factory
    bands = (
        FactorBand("factory", Decimal("1.00")),
        FactorBand("outdoor", Decimal("1.50")),
    )
    where = RatingFactor("operating_environment", "Place", "categorical", bands)
    await tell(published(2, terms=terms_of(rating_factors=(where,))))
    before = await market.quote()
    # when it moves out into the open
    await tell(RobotChanged(market.robot, "3.15.8", "outdoor"))
    # then the next quote is dearer
    after = await market.quote()
    assert relativity_of(before) == "1.00"
    assert relativity_of(after) == "1.50"


def relativity_of(quote: dict[str, Any]) -> str:
    [robot] = quote["robots"]
    [relativity] = [
        factor["relativity"]
        for factor in robot["factors"]
        if factor["code"] == "operating_environment"
    ]
    return str(relativity)


async def test_binding_an_older_quote_brings_no_older_score_back(
    market: Market,
) -> None:
    # given a quote at 1.20, and a later one at 1.30
    await market.score("45.0", "1.20")
    older = await market.quote()
    await market.score("52.0", "1.30", at=LATER)
    newer = await market.quote()
    # when the newer is bound first, and then the older, which is still valid
    assert (await market.bind(newer["id"])).status_code == 201
    assert (await market.bind(older["id"])).status_code == 201
    # then the next step goes out from 1.30
    await market.score("75.0", "1.60", at=LATER + timedelta(minutes=5))
    [robot] = (await market.quote())["robots"]
    assert Decimal(robot["factors"][-1]["relativity"]) == Decimal("1.40")


async def test_a_quote_that_was_not_bound_rates_nothing_for_the_next(
    market: Market,
) -> None:
    await market.score("45.0", "1.20")
    await market.quote()
    await market.score("15.0", "0.80", at=LATER)
    telemetry = (await market.quote())["robots"][0]["factors"][-1]
    assert (telemetry["relativity"], telemetry["band"]) == ("0.80", "low")


async def test_the_product_is_the_version_that_is_sold_today(
    market: Market, tell: Tell
) -> None:
    dearer = terms_of(taxes=(TaxRule("DE", "Versicherungsteuer", Decimal("0.20")),))
    await tell(
        published(2, terms=dearer),
        published(3, effective_from=date(2026, 3, 4)),
    )
    assert (await market.quote())["product"]["version"] == 2
    assert (await market.quote(product_version=1))["product"]["version"] == 1
    refused = await market.underwriter().post(
        "/quotes", json=market.body(product_version=3)
    )
    assert (refused.status_code, code_of(refused)) == (422, "product_not_sold_yet")


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"robot_ids": []}, 422, "no_robots"),
        ({"robot_ids": [str(uuid7())]}, 409, "robot_not_yet_known"),
        ({"product_code": "no-such"}, 409, "product_not_yet_known"),
        ({"product_version": 9}, 409, "product_not_yet_known"),
        ({"holder_id": str(uuid7())}, 422, "robot_not_of_holder"),
        ({"jurisdiction": "FR"}, 422, "jurisdiction_not_offered"),
        ({"jurisdiction": "fr"}, 422, "invalid_request"),
        ({"instalments": 5}, 422, "instalment_plan_not_offered"),
        ({"coverages": [{"code": "flood"}]}, 422, "unknown_coverage"),
        ({"coverages": []}, 422, "mandatory_coverage_missing"),
        (
            {"coverages": [{"code": "physical-damage", "limit": eur(-1)}]},
            422,
            "negative_amount",
        ),
        (
            {"coverages": [{"code": "physical-damage", "deductible": eur(1)}]},
            422,
            "deductible_not_offered",
        ),
        (
            {"term": {"inception": "2026-03-03", "expiry": "2027-03-05"}},
            422,
            "term_too_long",
        ),
        (
            {"term": {"inception": "2026-03-03", "expiry": "2026-03-03"}},
            422,
            "expiry_not_after_inception",
        ),
        (
            {"term": {"inception": "2026-03-03", "time_zone": "Mars/Olympus"}},
            422,
            "unknown_time_zone",
        ),
        ({"term": {"inception": "9999-12-31"}}, 422, "invalid_request"),
        ({"premium": eur(1)}, 422, "invalid_request"),
    ],
)
async def test_what_cannot_be_quoted_is_refused_with_a_reason_and_not_kept(
    market: Market, database: Database, given: dict[str, Any], status: int, code: str
) -> None:
    refused = await market.underwriter().post("/quotes", json=market.body(**given))
    assert (refused.status_code, code_of(refused)) == (status, code)
    assert ("Retry-After" in refused.headers) is (status == 409)
    assert await count_quotes(database) == 0


async def test_asking_twice_with_one_key_is_one_quote(
    market: Market, database: Database
) -> None:
    client = market.underwriter(**{"Idempotency-Key": "one-quote"})
    first = await client.post("/quotes", json=market.body())
    second = await client.post("/quotes", json=market.body())
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert await count_quotes(database) == 1


async def test_quotes_are_seen_by_their_insurer_and_their_holder_only(
    market: Market, api: ApiClient
) -> None:
    quote = await market.quote()
    for client in (market.underwriter(), market.policyholder()):
        assert (await client.get(f"/quotes/{quote['id']}")).json() == quote
        listed = (await client.get("/quotes")).json()["items"]
        assert [item["id"] for item in listed] == [quote["id"]]
    stranger = api.as_("underwriter")
    assert (await stranger.get(f"/quotes/{quote['id']}")).status_code == 404
    assert (await stranger.get("/quotes")).json()["items"] == []


async def test_only_insurers_offer_and_policyholders_do_not(
    market: Market, api: ApiClient, database: Database
) -> None:
    refused = await market.policyholder().post("/quotes", json=market.body())
    assert (refused.status_code, code_of(refused)) == (403, "permission_required")
    operator = api.as_("admin", organisation=market.operator, kind="operator")
    refused = await operator.post("/quotes", json=market.body())
    assert (refused.status_code, code_of(refused)) == (403, "insurer_only")
    assert await count_quotes(database) == 0


async def test_quotes_are_listed_by_status_and_holder_page_by_page(
    market: Market, clock: FixedClock, tell: Tell
) -> None:
    # given one that expired, one that was bound, and one for another holder
    expired = await market.quote()
    clock.advance(timedelta(days=30))
    term = {"inception": "2026-04-02"}
    sold = await market.policy(term=term)
    other_holder, other_robot = uuid7(), uuid7()
    await tell(registered(other_robot, other_holder))
    other = await market.quote(
        term=term, holder_id=str(other_holder), robot_ids=[str(other_robot)]
    )
    client = market.underwriter()

    async def listed(query: str) -> list[str]:
        items = (await client.get(f"/quotes{query}")).json()["items"]
        return [item["id"] for item in items]

    # then
    assert await listed("?status=expired") == [expired["id"]]
    assert await listed("?status=bound") == [sold["quote_id"]]
    assert await listed("?status=open") == [other["id"]]
    assert await listed(f"?holder_id={other_holder}") == [other["id"]]
    first = (await client.get("/quotes?limit=2")).json()
    assert [i["id"] for i in first["items"]] == [other["id"], sold["quote_id"]]
    assert first["items"][0]["total"] == other["total"]
    assert await listed(f"?limit=2&cursor={first['next_cursor']}") == [expired["id"]]


async def count_quotes(database: Database) -> int:
    async with database.read() as session:
        counted = await session.scalar(select(func.count()).select_from(quotes))
    return counted or 0
