"""The customer: an operator with its fleet, who registers and insures robots."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from uuid import UUID

import httpx

from tests.e2e.chaos.client import RETRY_SECONDS, Client
from tests.e2e.chaos.ledger import Ledger

_SETUP_SECONDS: Final = 60.0
INSTALMENTS: Final = 4
"""Of each policy that is sold."""

Json = dict[str, Any]


@dataclass
class Customer:
    """Where the load comes from: an operator, its fleet, and who may speak for it."""

    admin: Client
    device: Client
    operator_id: str
    model_id: str
    chance: Random

    @classmethod
    async def open(
        cls, http: httpx.AsyncClient, credentials: Mapping[str, str], chance: Random
    ) -> Customer:
        """Register an operator, a manufacturer with a model, and a key for devices."""
        admin = Client(http, credentials=credentials)
        await admin.sign_in()
        tag = f"{chance.getrandbits(32):08x}"
        books = Ledger()

        async def made(path: str, document: Json) -> Json:
            async with asyncio.timeout(_SETUP_SECONDS):
                answer = await admin.insist("POST", path, books, json=document)
            result: Json = answer.json()
            return result

        ids = {
            kind: (
                await made(
                    "/organisations",
                    {
                        "kind": kind,
                        "name": f"Chaos {kind} {tag}",
                        "email": f"{kind}-{tag}@example.com",
                        "country": "DE",
                    },
                )
            )["id"]
            for kind in ("operator", "manufacturer")
        }
        # Fleets know of an organisation a moment after it is registered.
        async with asyncio.timeout(_SETUP_SECONDS):
            while not await _knows(admin, ids["manufacturer"]):  # noqa: ASYNC110
                await asyncio.sleep(RETRY_SECONDS)
        model = await made(
            "/robot-models",
            {
                "manufacturer_id": ids["manufacturer"],
                "name": f"CW3-{tag}",
                "robot_class": "cobot",
                "joint_current_limits": ["5", "5", "4", "3", "3", "2"],
                "joint_temperature_limit": "50",
            },
        )
        key = await made(
            "/api-keys",
            {
                "organisation_id": ids["operator"],
                "name": f"chaos gateway {tag}",
                "scopes": ["events:write"],
            },
        )
        device = Client(http, key=key["key"])
        return cls(admin, device, ids["operator"], model["id"], chance)

    async def register(self, serial_number: str, ledger: Ledger) -> UUID:
        """Register a robot, however often it has to be asked for."""
        document = {
            "serial_number": serial_number,
            "model_id": self.model_id,
            "operator_id": self.operator_id,
            "insured_value": {"minor": 2_800_000, "currency": "EUR"},
            "commissioned_on": "2021-06-01",
            "operating_environment": "factory",
        }
        answer = await self.admin.insist(
            "POST",
            "/robots",
            ledger,
            json=document,
            headers={"Idempotency-Key": serial_number},
        )
        robot = UUID(answer.json()["id"])
        ledger.registered.add(robot)
        return robot

    async def insure(self, robot: UUID, intent: str, ledger: Ledger) -> None:
        """Sell a policy for a robot, however often it has to be asked for."""

        async def answered(path: str, document: Json) -> Json:
            key = {"Idempotency-Key": f"{intent}{path}"}
            answer = await self.admin.insist(
                "POST", path, ledger, json=document, headers=key
            )
            result: Json = answer.json()
            return result

        quote = await answered(
            "/quotes",
            {
                "product_code": "robot-comprehensive",
                "holder_id": self.operator_id,
                "robot_ids": [str(robot)],
                "term": {
                    "inception": datetime.now(UTC).date().isoformat(),
                    "time_zone": "UTC",
                },
                "jurisdiction": "DE",
                "coverages": [
                    {"code": "physical-damage"},
                    {"code": "third-party-liability"},
                ],
                "instalments": INSTALMENTS,
            },
        )
        policy = await answered(
            f"/quotes/{quote['id']}/bind", {"payment_method": "tok_ok"}
        )
        ledger.policies[UUID(policy["id"])] = policy["number"]


async def _knows(admin: Client, manufacturer: str) -> bool:
    books = Ledger()
    answer = await admin.insist("GET", "/manufacturers?limit=200", books)
    return any(each["id"] == manufacturer for each in answer.json()["items"])
