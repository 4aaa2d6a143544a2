"""Products over HTTP: found, read, published, cached, and told to the others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter
from redis.asyncio import Redis
from sqlalchemy import func, select

from robosure.contexts.catalog.events import ProductPublished, ProductTerms
from robosure.contexts.catalog.service import seed
from robosure.contexts.catalog.tables import product_versions, products
from robosure.platform.database import Database
from robosure.platform.outbox import outbox
from robosure.platform.settings import Settings
from tests.support import ApiClient, FixedClock, code_of
from tests.unit.contexts.catalog.factories import a_coverage, eur, terms_of

_terms = TypeAdapter(ProductTerms)


def as_json(terms: ProductTerms) -> Any:
    return _terms.dump_python(terms, mode="json")


def a_product(**given: Any) -> dict[str, Any]:
    body = {
        "code": "robot-basic",
        "name": "Robot Basic",
        "description": "Damage to one robot.",
        "effective_from": "2026-01-01",
        "terms": as_json(terms_of()),
    }
    return body | given


@pytest.fixture
def admin(api: ApiClient) -> httpx.AsyncClient:
    return api.as_("admin")


@pytest.fixture
def reader(api: ApiClient) -> httpx.AsyncClient:
    return api.as_("policyholder", kind="operator")


async def launched(admin: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    answer = await admin.post("/products", json=a_product(**given))
    assert answer.status_code == 201, answer.text
    product: dict[str, Any] = answer.json()
    return product


async def count_of(database: Database, table: Any) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


# --- the product that ships -----------------------------------------------------------


async def test_the_shipped_product_is_on_sale_after_seeding(
    database: Database, settings: Settings, reader: httpx.AsyncClient
) -> None:
    # when
    await seed(database, settings)
    # then
    answer = await reader.get("/products/robot-comprehensive")
    assert answer.status_code == 200
    product = answer.json()
    assert (product["number"], product["effective_from"]) == (1, "2020-01-01")
    assert [c["code"] for c in product["terms"]["coverages"]] == [
        "physical-damage",
        "third-party-liability",
        "cyber",
        "business-interruption",
        "product-recall",
    ]
    assert product["terms"]["minimum_premium"] == {"minor": 25000, "currency": "EUR"}
    # and the others are told all of it
    async with database.read() as session:
        (row,) = (await session.execute(select(outbox))).all()
    assert row.type == "catalog.ProductPublished"
    told = TypeAdapter(ProductPublished).validate_python(row.payload)
    assert told.effective_from == date(2020, 1, 1)
    assert told.terms.coverages[0].base_rate == Decimal("0.018")
    assert as_json(told.terms) == product["terms"]


async def test_seeding_again_changes_nothing(
    database: Database, settings: Settings
) -> None:
    await seed(database, settings)
    await seed(database, settings)
    assert await count_of(database, products) == 1
    assert await count_of(database, product_versions) == 1
    assert await count_of(database, outbox) == 1


# --- reading --------------------------------------------------------------------------


async def test_products_are_listed_newest_first_in_pages(
    admin: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    # given
    for code in ("robot-a", "robot-b", "robot-c"):
        await launched(admin, code=code)
    # when
    first = (await reader.get("/products", params={"limit": 2})).json()
    following = {"limit": 2, "cursor": first["next_cursor"]}
    second = (await reader.get("/products", params=following)).json()
    # then
    assert [each["code"] for each in first["items"]] == ["robot-c", "robot-b"]
    assert [each["code"] for each in second["items"]] == ["robot-a"]
    assert second["next_cursor"] is None
    assert first["items"][0]["coverage_names"] == ["Physical damage", "Cyber attack"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("cyber", ["robot-cyber", "robot-basic"]),  # in the name before in a coverage
        ("CYBER attacks", ["robot-basic"]),
        ("robot -cyber", ["robot-plain"]),
        ('"one robot"', ["robot-basic"]),
        ("robot-plain", ["robot-plain"]),
        ("nothing like it", []),
        ("", []),
        ("') OR 1=1 --", []),
    ],
)
async def test_products_are_found_by_words_best_first(
    admin: httpx.AsyncClient, words: str, found: list[str]
) -> None:
    # given
    plain = as_json(terms_of(coverages=(a_coverage(name="Damage"),)))
    await launched(admin)
    await launched(
        admin, code="robot-cyber", name="Cyber", description="Bits.", terms=plain
    )
    await launched(
        admin, code="robot-plain", name="Plain", description="Little.", terms=plain
    )
    # when
    page = (await admin.get("/products", params={"q": words})).json()
    # then
    assert [each["code"] for each in page["items"]] == found
    assert page["next_cursor"] is None


async def test_a_version_is_read_by_its_number(
    admin: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    # given
    await launched(admin)
    cheaper = as_json(terms_of(policy_fee=eur("10.00")))
    published = await admin.post(
        "/products/robot-basic/versions",
        json={"effective_from": "2026-07-01", "terms": cheaper},
    )
    # then
    assert published.status_code == 201
    assert (published.json()["number"], published.json()["terms"]) == (2, cheaper)
    current = (await reader.get("/products/robot-basic")).json()
    assert (current["number"], current["latest_version"]) == (1, 2)
    second = (await reader.get("/products/robot-basic?version=2")).json()
    assert second == published.json()
    versions = (await reader.get("/products/robot-basic/versions")).json()
    assert versions == {
        "items": [
            {
                "number": 2,
                "effective_from": "2026-07-01",
                "published_at": "2026-03-02T12:00:00Z",
            },
            {
                "number": 1,
                "effective_from": "2026-01-01",
                "published_at": "2026-03-02T12:00:00Z",
            },
        ],
        "next_cursor": None,
    }


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/products/no-such", "product_not_found"),
        ("/products/no-such?version=1", "product_not_found"),
        ("/products/no-such/versions", "product_not_found"),
        ("/products/robot-basic?version=2", "product_version_not_found"),
        ("/products/robot-later", "product_not_sold_yet"),
    ],
)
async def test_what_is_not_there_is_not_found(
    admin: httpx.AsyncClient, path: str, code: str
) -> None:
    await launched(admin)
    await launched(admin, code="robot-later", effective_from="2027-01-01")
    answer = await admin.get(path)
    assert (answer.status_code, code_of(answer)) == (404, code)


@pytest.mark.parametrize(
    "path",
    [
        "/products?q=a%00b",
        "/products/robot%00basic",
        "/products/robot-basic?version=0",
        "/products/robot-basic?version=99999999999",
        "/products?cursor=nonsense",
    ],
)
async def test_a_malformed_question_is_refused(
    admin: httpx.AsyncClient, path: str
) -> None:
    answer = await admin.get(path)
    assert answer.status_code == 422
    assert code_of(answer) in {"invalid_request", "invalid_cursor"}


# --- publishing -----------------------------------------------------------------------


async def test_new_terms_are_read_at_once_despite_the_cache(
    admin: httpx.AsyncClient, reader: httpx.AsyncClient, redis: Redis
) -> None:
    # given a product that is in the cache
    await launched(admin)
    assert (await reader.get("/products/robot-basic")).json()["number"] == 1
    assert await redis.keys("*catalog:products:robot-basic:2026-03-02")
    # when
    await admin.post(
        "/products/robot-basic/versions",
        json={"effective_from": "2026-03-02", "terms": as_json(terms_of())},
    )
    # then
    answer = await reader.get("/products/robot-basic")
    assert answer.json()["number"] == 2
    assert answer.headers["etag"] == '"2"'


async def test_the_cache_answers_without_the_database(
    admin: httpx.AsyncClient, database: Database
) -> None:
    # given
    await launched(admin)
    before = (await admin.get("/products/robot-basic")).json()
    # when the row changes behind the cache's back
    async with database.write() as session:
        await session.execute(products.update().values(name="Other"))
    # then
    assert (await admin.get("/products/robot-basic")).json() == before


async def test_announced_terms_hold_from_their_day(
    api: ApiClient, admin: httpx.AsyncClient, clock: FixedClock
) -> None:
    # given terms announced for July, and today's in the cache
    await launched(admin)
    await admin.post(
        "/products/robot-basic/versions",
        json={"effective_from": "2026-07-01", "terms": as_json(terms_of())},
    )
    clock.set(datetime(2026, 6, 30, 23, 59, tzinfo=UTC))
    reader = api.as_("policyholder", kind="operator")
    assert (await reader.get("/products/robot-basic")).json()["number"] == 1
    # when the day begins
    clock.set(datetime(2026, 7, 1, 0, 0, tzinfo=UTC))
    # then
    assert (await reader.get("/products/robot-basic")).json()["number"] == 2


async def test_of_versions_published_at_once_each_has_its_own_number(
    admin: httpx.AsyncClient, database: Database
) -> None:
    # given
    await launched(admin)
    body = {"effective_from": "2026-07-01", "terms": as_json(terms_of())}
    # when
    answers = await asyncio.gather(
        *(admin.post("/products/robot-basic/versions", json=body) for _ in range(4))
    )
    # then what was not published was refused, and nothing is half done
    done = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert len(done) + len(refused) == 4
    assert {code_of(answer) for answer in refused} <= {"stale_version"}
    numbers = sorted(answer.json()["number"] for answer in done)
    assert numbers == [*range(2, 2 + len(done))]
    assert await count_of(database, product_versions) == 1 + len(done)
    assert await count_of(database, outbox) == 1 + len(done)


async def test_a_stale_publication_is_refused(
    admin: httpx.AsyncClient, database: Database
) -> None:
    # given
    await launched(admin)
    body = {"effective_from": "2026-07-01", "terms": as_json(terms_of())}
    path = "/products/robot-basic/versions"
    await admin.post(path, json=body, headers={"If-Match": '"1"'})
    # when
    answer = await admin.post(path, json=body, headers={"If-Match": '"1"'})
    # then
    assert (answer.status_code, code_of(answer)) == (412, "stale_version")
    assert await count_of(database, product_versions) == 2


async def test_a_code_is_unique_also_in_a_race(
    admin: httpx.AsyncClient, database: Database
) -> None:
    answers = await asyncio.gather(
        *(admin.post("/products", json=a_product()) for _ in range(3))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert code_of(refused) == "product_exists"
    assert await count_of(database, products) == 1


def broken(**given: Any) -> dict[str, Any]:
    return {**as_json(terms_of()), **given}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"code": "Robot Basic"}, "invalid_request"),
        ({"code": "-robot"}, "invalid_product_code"),
        ({"colour": "red"}, "invalid_request"),
        ({"terms": broken(colour="red")}, "invalid_request"),
        ({"terms": broken(coverages=[])}, "no_mandatory_coverage"),
        ({"terms": broken(instalment_plans=[13])}, "invalid_instalment_plans"),
        (
            {"terms": broken(policy_fee={"minor": -1, "currency": "EUR"})},
            "negative_amount",
        ),
        (
            {"terms": broken(policy_fee={"minor": 1, "currency": "euro"})},
            "invalid_currency",
        ),
        (
            {"terms": broken(policy_fee={"minor": 1.5, "currency": "EUR"})},
            "invalid_request",
        ),
        (
            {"terms": as_json(terms_of(coverages=(a_coverage(name="a\0b"),)))},
            "unreadable_name",
        ),
        (
            {
                "terms": broken(
                    taxes=[{"jurisdiction": "GB", "name": "IPT", "rate": "NaN"}]
                )
            },
            "invalid_request",
        ),
    ],
)
async def test_a_bad_product_is_refused(
    admin: httpx.AsyncClient, database: Database, change: dict[str, Any], code: str
) -> None:
    answer = await admin.post("/products", json=a_product(**change))
    assert answer.status_code == 422
    assert code_of(answer) == code
    assert await count_of(database, products) == 0


async def test_terms_for_no_product_are_refused(admin: httpx.AsyncClient) -> None:
    body = {"effective_from": "2026-07-01", "terms": as_json(terms_of())}
    answer = await admin.post("/products/no-such/versions", json=body)
    assert (answer.status_code, code_of(answer)) == (404, "product_not_found")


async def test_terms_for_the_past_are_refused(
    admin: httpx.AsyncClient, database: Database
) -> None:
    # given
    await launched(admin)
    dearer = replace(terms_of(), policy_fee=eur("99.00"))
    # when
    answer = await admin.post(
        "/products/robot-basic/versions",
        json={"effective_from": "2026-03-01", "terms": as_json(dearer)},
    )
    # then
    assert (answer.status_code, code_of(answer)) == (409, "effective_in_the_past")
    assert await count_of(database, product_versions) == 1


@pytest.mark.parametrize(
    ("role", "kind", "code"),
    [
        ("underwriter", "insurer", "permission_required"),
        ("policyholder", "operator", "permission_required"),
        ("admin", "operator", "insurer_only"),
    ],
)
async def test_only_an_insurers_admin_decides_what_is_sold(
    api: ApiClient, database: Database, role: str, kind: str, code: str
) -> None:
    # given
    await launched(api.as_("admin"))
    client = api.as_(role, kind=kind)
    # when
    body = {"effective_from": "2026-07-01", "terms": as_json(terms_of())}
    answers = [
        await client.post("/products", json=a_product(code="mine")),
        await client.post("/products/robot-basic/versions", json=body),
    ]
    # then
    for answer in answers:
        assert (answer.status_code, code_of(answer)) == (403, code)
    assert await count_of(database, product_versions) == 1


async def test_strangers_see_no_products(api: ApiClient) -> None:
    answer = await api.anonymous().get("/products")
    assert (answer.status_code, code_of(answer)) == (401, "not_signed_in")
