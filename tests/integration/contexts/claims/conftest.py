"""A policy in force, the people on both sides of it, and their clients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import insert

from robosure.contexts.eventflow.events import TelemetryExtracted
from robosure.contexts.identity.domain import AuthorityLimit
from robosure.contexts.identity.events import OrganisationRegistered, UserRegistered
from robosure.contexts.identity.repository import SqlAuthorityLimits
from robosure.contexts.identity.tables import organisations
from robosure.kernel.events import DomainEvent
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.events import publish
from robosure.platform.files import StoredFile
from robosure.platform.runtime import Runtime
from tests.support import ApiClient, Delivery
from tests.unit.contexts.claims.factories import INCIDENT, policy_bound

Json = dict[str, Any]
TELEMETRY = b"not really gzip, but frozen"


@dataclass
class Scene:
    """One insurer, one holder; what a test does most often, in a word."""

    api: ApiClient
    database: Database
    runtime: Runtime
    deliver: Delivery
    insurer_id: UUID = field(default_factory=uuid7)
    holder_id: UUID = field(default_factory=uuid7)
    robot_id: UUID = field(default_factory=uuid7)
    number: str = "POL-2026-000042"

    def staff(self, role: str, subject: UUID | None = None) -> httpx.AsyncClient:
        return self.api.as_(role, organisation=self.insurer_id, subject=subject)

    @property
    def admin(self) -> httpx.AsyncClient:
        """A new administrator of the insurer each time."""
        return self.staff("admin")

    @property
    def holder(self) -> httpx.AsyncClient:
        return self.api.as_(
            "policyholder", organisation=self.holder_id, kind="operator"
        )

    async def tell(self, *facts: DomainEvent) -> None:
        """Have other contexts tell facts, and everyone react."""
        async with self.database.write() as session:
            for fact in facts:
                publish(session, fact)
        await self.deliver()

    async def bind(self, **changes: Any) -> None:
        """Have a policy of the scene's parties bound."""
        payment_method = changes.pop("payment_method", "tok_ok")
        parties: dict[str, Any] = {
            "number": self.number,
            "insurer_id": self.insurer_id,
            "holder_id": self.holder_id,
            "robot_id": self.robot_id,
        }
        bound = policy_bound(**(parties | changes))
        await self.tell(replace(bound, payment_method=payment_method))

    async def hire(self, *skills: str, name: str = "Grace Hopper") -> UUID:
        """Have an adjuster join the insurer."""
        user_id = uuid7()
        await self.tell(
            UserRegistered(
                user_id=user_id,
                organisation_id=self.insurer_id,
                email=f"{user_id}@example.com",
                name=name,
                roles=("adjuster",),
                skills=skills,
            )
        )
        return user_id

    def notice(self, **changes: Any) -> Json:
        return {
            "policy_number": self.number,
            "robot_id": str(self.robot_id),
            "incident_type": "collision",
            "incident_at": INCIDENT.isoformat(),
            "description": "The arm struck the fixture.",
            "estimated_loss": {"minor": 900000, "currency": "EUR"},
            "contact": {"name": "Ada Byron", "email": "ada@example.com"},
        } | changes

    async def found(self) -> None:
        """Have the insurer exist, with the authority limits that it starts with."""
        now = self.runtime.clock.now()
        row = {
            "id": self.insurer_id,
            "kind": "insurer",
            "name": "Robosure Mutual",
            "email": "office@example.com",
            "country": "DE",
            "registered_at": now,
            "version": 1,
        }
        async with self.database.write() as session:
            await session.execute(insert(organisations).values(row))
            limits = SqlAuthorityLimits(session)
            standard = AuthorityLimit.standard(self.insurer_id, at=now)
            await limits.start(self.insurer_id, standard)

    async def report(self, **changes: Any) -> str:
        """Report a loss as the holder, and return the claim's id."""
        answer = await self.holder.post("/claims", json=self.notice(**changes))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def claim(self, claim_id: str) -> Json:
        """Read a claim as the insurer sees it."""
        answer = await self.staff("support").get(f"/claims/{claim_id}")
        assert answer.status_code == 200, answer.text
        seen: Json = answer.json()
        return seen

    async def attach_telemetry(
        self, claim_id: str, *, samples: int = 100, stops: int = 7
    ) -> StoredFile:
        """Answer the claim's request for evidence, as eventflow would."""
        (evidence,) = (await self.claim(claim_id))["evidence"]
        key = f"told/{evidence['id']}.ndjson.gz"
        stored = await self.runtime.files.put(key, TELEMETRY, "application/gzip")
        await self.tell(
            TelemetryExtracted(
                request_id=UUID(evidence["id"]),
                robot_id=self.robot_id,
                window_start=INCIDENT,
                window_end=INCIDENT,
                samples=samples,
                protective_stop_samples=stops,
                grip_loss_samples=3,
                file_key=key,
                sha256=stored.sha256,
            )
        )
        return stored

    async def assess(self, claim_id: str, by: UUID, **changes: Any) -> httpx.Response:
        body = {
            "coverage_code": "physical-damage",
            "basis": "replacement_cost",
            "loss_value": {"minor": 900000, "currency": "EUR"},
        } | changes
        client = self.staff("adjuster", by)
        return await client.post(f"/claims/{claim_id}/assessment", json=body)

    async def assessed(self, **changes: Any) -> str:
        """Report, prove and assess a loss; what is left is to decide on it."""
        claim_id = await self.report()
        await self.attach_telemetry(claim_id)
        adjuster = UUID((await self.claim(claim_id))["adjuster"]["id"])
        answer = await self.assess(claim_id, adjuster, **changes)
        assert answer.status_code == 200, answer.text
        return claim_id


@pytest.fixture
async def scene(unstaffed: Scene) -> Scene:
    """A policy in force and one adjuster, known to claims."""
    await unstaffed.hire()
    return unstaffed


@pytest.fixture
async def unstaffed(
    api: ApiClient, database: Database, runtime: Runtime, deliver: Delivery
) -> Scene:
    """A policy in force, and nobody to handle its claims."""
    scene = Scene(api, database, runtime, deliver)
    await scene.found()
    await scene.tell(
        OrganisationRegistered(
            organisation_id=scene.holder_id,
            name="Acme Logistics",
            kind="operator",
            email="fleet@example.com",
            country="DE",
        )
    )
    await scene.bind()
    return scene
