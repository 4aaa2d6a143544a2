"""What others told policies, and shortcuts to a quote and a policy over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from robosure.contexts.catalog.events import ProductPublished
from robosure.contexts.identity.events import OrganisationRegistered
from robosure.contexts.risk.events import RobotScored
from robosure.contexts.robots.events import RobotRegistered
from robosure.kernel.events import DomainEvent
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.events import publish
from tests.support import ApiClient, Delivery
from tests.unit.contexts.policies.factories import NOON, eur, terms_of

Tell = Callable[..., Awaitable[None]]


@pytest.fixture
def tell(database: Database, deliver: Delivery) -> Tell:
    """Let other contexts tell facts, and let them arrive."""

    async def told(*facts: DomainEvent) -> None:
        async with database.write() as session:
            for fact in facts:
                publish(session, fact)
        await deliver()

    return told


@dataclass(frozen=True)
class Market:
    """An insurer, an operator with one robot, and a product on sale."""

    api: ApiClient
    tell: Tell
    insurer: UUID = field(default_factory=uuid7)
    operator: UUID = field(default_factory=uuid7)
    robot: UUID = field(default_factory=uuid7)

    def underwriter(self, **headers: str) -> httpx.AsyncClient:
        client = self.api.as_("underwriter", organisation=self.insurer)
        client.headers.update(headers)
        return client

    def policyholder(self) -> httpx.AsyncClient:
        return self.api.as_("policyholder", organisation=self.operator, kind="operator")

    def body(self, **given: Any) -> dict[str, Any]:
        return {
            "holder_id": str(self.operator),
            "product_code": "robot-basic",
            "robot_ids": [str(self.robot)],
            "term": {"inception": "2026-03-03", "time_zone": "Europe/Berlin"},
            "jurisdiction": "DE",
            "coverages": [{"code": "physical-damage"}, {"code": "cyber"}],
            "instalments": 12,
        } | given

    async def quote(self, **given: Any) -> dict[str, Any]:
        response = await self.underwriter().post("/quotes", json=self.body(**given))
        assert response.status_code == 201, response.text
        quote: dict[str, Any] = response.json()
        return quote

    async def bind(self, quote_id: str) -> httpx.Response:
        return await self.underwriter().post(
            f"/quotes/{quote_id}/bind", json={"payment_method": "tok_ok"}
        )

    async def policy(self, **given: Any) -> dict[str, Any]:
        response = await self.bind((await self.quote(**given))["id"])
        assert response.status_code == 201, response.text
        policy: dict[str, Any] = response.json()
        return policy

    async def score(
        self, score: str, multiplier: str, *, at: datetime = NOON
    ) -> RobotScored:
        scored = RobotScored(
            robot_id=self.robot,
            score_id=uuid7(),
            score=Decimal(score),
            band="as told",
            multiplier=Decimal(multiplier),
            model_version="1",
            samples=7409,
            scored_at=at,
        )
        await self.tell(scored)
        return scored


def published(version: int = 1, **given: Any) -> ProductPublished:
    values: dict[str, Any] = {
        "product_id": uuid7(),
        "code": "robot-basic",
        "name": "Robot Basic",
        "product_version": version,
        "effective_from": date(2026, 1, 1),
        "terms": terms_of(),
    }
    return ProductPublished(**(values | given))


def registered(robot_id: UUID, operator_id: UUID, **given: Any) -> RobotRegistered:
    values: dict[str, Any] = {
        "robot_id": robot_id,
        "serial_number": "UR3-20195300456",
        "model_id": uuid7(),
        "manufacturer_id": uuid7(),
        "operator_id": operator_id,
        "robot_class": "cobot",
        "insured_value": eur("25000.00"),
        "commissioned_on": date(2024, 1, 10),
        "operating_environment": "factory",
    }
    return RobotRegistered(**(values | given))


def organisation(organisation_id: UUID, name: str, kind: str) -> OrganisationRegistered:
    return OrganisationRegistered(
        organisation_id, name, kind, "someone@example.com", "DE"
    )


@pytest.fixture
async def market(api: ApiClient, tell: Tell) -> Market:
    market = Market(api, tell)
    await tell(
        published(),
        registered(market.robot, market.operator),
        organisation(market.insurer, "Robosure Mutual", "insurer"),
        organisation(market.operator, "Fließband & Söhne GmbH", "operator"),
    )
    return market


LATER = NOON + timedelta(minutes=5)
