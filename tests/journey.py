"""A small world, built through the public API: an insurer, its people, a fleet, cover.

Tests of the main job begin here, and say only what they are about.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import httpx
from sqlalchemy import text

from robosure.contexts.risk.jobs import score_stale
from robosure.entrypoints.registry import load
from robosure.platform.database import Database, metadata
from robosure.platform.runtime import Runtime
from tests.support import ApiClient, Delivery

Json = dict[str, Any]

PASSWORD: Final = "correct horse battery staple"
BATCH: Final = "application/cloudevents-batch+json"


def answered(response: httpx.Response, status: int | None = None) -> Any:
    """Return the JSON answer of a call that is to succeed."""
    assert response.is_success, f"{response.request.url}: {response.text}"
    assert status in (None, response.status_code)
    return response.json()


@dataclass(frozen=True)
class World:
    """Who there is, and what they do; each property acts as one of them, right now."""

    api: ApiClient
    deliver: Delivery
    insurer_id: UUID
    manufacturer_id: UUID
    operator_id: UUID
    people: Mapping[str, UUID]

    @classmethod
    async def build(cls, api: ApiClient, deliver: Delivery, runtime: Runtime) -> World:
        """Seed an empty installation, and register who takes part."""
        for context in load():
            if context.seed is not None:
                await context.seed(runtime.database, runtime.settings)
        admin, me = await _administrator(api, runtime)
        insurer_id = UUID(me["organisation_id"])
        operator_id = await _organisation(admin, "operator", "Assembly Lines")
        world = cls(
            api=api,
            deliver=deliver,
            insurer_id=insurer_id,
            manufacturer_id=await _organisation(admin, "manufacturer", "Cobot Works"),
            operator_id=operator_id,
            people={
                "admin": UUID(me["subject"]),
                "underwriter": await _person(admin, "underwriter", insurer_id),
                "adjuster": await _person(admin, "adjuster", insurer_id),
                "policyholder": await _person(admin, "policyholder", operator_id),
            },
        )
        await deliver()
        return world

    @property
    def admin(self) -> httpx.AsyncClient:
        """The insurer's administrator."""
        return self._insurers("admin")

    @property
    def underwriter(self) -> httpx.AsyncClient:
        """Who offers and binds."""
        return self._insurers("underwriter")

    @property
    def adjuster(self) -> httpx.AsyncClient:
        """Who assesses claims."""
        return self._insurers("adjuster")

    @property
    def holder(self) -> httpx.AsyncClient:
        """Who holds the policies."""
        return self.api.as_(
            "policyholder",
            organisation=self.operator_id,
            kind="operator",
            subject=self.people["policyholder"],
        )

    @property
    def device(self) -> httpx.AsyncClient:
        """What sends telemetry of the operator's robots."""
        return self.api.as_("device", organisation=self.operator_id, kind="operator")

    def _insurers(self, role: str) -> httpx.AsyncClient:
        return self.api.as_(
            role, organisation=self.insurer_id, subject=self.people[role]
        )

    async def a_model(self, name: str = "CW3") -> UUID:
        """Register a model of six joints."""
        document = {
            "manufacturer_id": str(self.manufacturer_id),
            "name": name,
            "robot_class": "cobot",
            "joint_current_limits": ["5", "5", "4", "3", "3", "2"],
            "joint_temperature_limit": "50",
        }
        model = answered(await self.admin.post("/robot-models", json=document), 201)
        return UUID(model["id"])

    async def robots(self, number: int = 1) -> list[UUID]:
        """Register robots of a new model, and let everyone hear of them."""
        model_id = await self.a_model()
        found = []
        for each in range(1, number + 1):
            document = {
                "serial_number": f"CW3-{each:03d}",
                "model_id": str(model_id),
                "operator_id": str(self.operator_id),
                "insured_value": {"minor": 2_800_000, "currency": "EUR"},
                "commissioned_on": "2021-06-01",
                "operating_environment": "factory",
                "firmware": "3.15.8",
            }
            robot = answered(await self.admin.post("/robots", json=document), 201)
            found.append(UUID(robot["id"]))
        await self.deliver()
        return found

    async def quote(self, robots: Sequence[UUID], **changes: Any) -> Json:
        """Ask for a quote: a year from 2 March 2026, on two coverages."""
        document = {
            "product_code": "robot-comprehensive",
            "holder_id": str(self.operator_id),
            "robot_ids": [str(robot_id) for robot_id in robots],
            "term": {"inception": "2026-03-02", "time_zone": "Europe/Berlin"},
            "jurisdiction": "DE",
            "coverages": [
                {"code": "physical-damage"},
                {"code": "third-party-liability"},
            ],
            "instalments": 4,
        }
        answer = await self.underwriter.post("/quotes", json={**document, **changes})
        quote: Json = answered(answer, 201)
        return quote

    async def bind(self, quote: Json, **headers: str) -> httpx.Response:
        """Try to bind a quote."""
        return await self.underwriter.post(
            f"/quotes/{quote['id']}/bind",
            json={"payment_method": "tok_ok"},
            headers=headers,
        )

    async def policy(self, robots: Sequence[UUID], **changes: Any) -> Json:
        """Bind a quote, and let everyone hear of the policy."""
        quote = await self.quote(robots, **changes)
        policy: Json = answered(await self.bind(quote), 201)
        await self.deliver()
        return policy

    async def report(
        self, policy_number: str, robot_id: UUID, *, at: datetime, **changes: Any
    ) -> httpx.Response:
        """Try to report a loss of 12,500.00 EUR."""
        document = {
            "policy_number": policy_number,
            "robot_id": str(robot_id),
            "incident_at": at.isoformat(),
            "incident_type": "protective_stop",
            "description": "The arm stopped again and again and dropped its part.",
            "estimated_loss": {"minor": 1_250_000, "currency": "EUR"},
            "contact": {"name": "Grace Hopper", "email": "grace@example.com"},
        }
        return await self.holder.post("/claims", json={**document, **changes})

    async def send_events(self, events: Sequence[Json], size: int = 1000) -> int:
        """Send events in batches; return how many were accepted."""
        accepted = 0
        for start in range(0, len(events), size):
            answer = await self.device.post(
                "/events",
                json=events[start : start + size],
                headers={"Content-Type": BATCH},
            )
            accepted += answered(answer, 202)["accepted"]
        return accepted

    async def send_rows(
        self, robot_id: UUID, header: bytes, rows: Sequence[bytes], size: int = 1000
    ) -> int:
        """Send rows of the UR3 file in batches; return how many were accepted."""
        accepted = 0
        for start in range(0, len(rows), size):
            answer = await self.device.post(
                f"/robots/{robot_id}/telemetry",
                params={"profile": "ur3-cobotops"},
                content=header + b"".join(rows[start : start + size]),
                headers={"Content-Type": "text/csv"},
            )
            accepted += answered(answer, 202)["accepted"]
        return accepted

    async def counts(self, robot_id: UUID) -> tuple[int, int, int]:
        """Return how many events were stored, repeated, and failed."""
        query = {"subject": str(robot_id)}
        found = answered(await self.admin.get("/event-counts", params=query))
        return found["stored"], found["repeated"], found["failed"]

    async def risk(self, robot_id: UUID) -> Json:
        """Score what is to be scored, and return the robot's latest score."""
        await self.deliver(score_stale)
        found: Json = answered(await self.admin.get(f"/robots/{robot_id}/risk"))
        return found


def events_of(robot_id: UUID, samples: Iterable[Json]) -> list[Json]:
    """Write a robot's simulated samples as events."""
    return [
        {
            "specversion": "1.0",
            "type": "robot.telemetry.v1",
            "source": f"/robots/{robot_id}",
            "subject": str(robot_id),
            **sample,
        }
        for sample in samples
    ]


async def rows(database: Database, *tables: str) -> dict[str, tuple[int, str]]:
    """Return number and digest of the rows of these tables, or of all.

    The transaction that wrote a row counts in: one written anew would show.
    """
    names = tables or [f"{t.schema}.{t.name}" for t in metadata.sorted_tables]
    query = " UNION ALL ".join(_ROWS.format(table=name) for name in names)
    async with database.read() as session:
        found = (await session.execute(text(query))).all()
    return {name: (count, digest) for name, count, digest in found}


_ROWS: Final = """
    SELECT '{table}', count(*), coalesce(md5(string_agg(row, E'\\n' ORDER BY row)), '')
    FROM (SELECT xmin::text || t::text AS row FROM {table} t) rows
"""


@asynccontextmanager
async def nothing_changes(database: Database) -> AsyncIterator[None]:
    """Assert that what is done in here leaves every row as it was."""
    before = await rows(database)
    yield
    assert await rows(database) == before


async def sign_in(client: httpx.AsyncClient, email: str, password: str) -> None:
    """Sign in, and act as that user from now on."""
    body = {"email": email, "password": password}
    token = answered(await client.post("/auth/sign-in", json=body))["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


async def _administrator(
    api: ApiClient, runtime: Runtime
) -> tuple[httpx.AsyncClient, Json]:
    settings = runtime.settings
    assert settings.admin_password is not None
    admin = api.anonymous()
    await sign_in(
        admin, settings.admin_email, settings.admin_password.get_secret_value()
    )
    return admin, answered(await admin.get("/auth/me"))


async def _organisation(admin: httpx.AsyncClient, kind: str, name: str) -> UUID:
    document = {
        "kind": kind,
        "name": name,
        "email": f"{kind}@example.com",
        "country": "DE",
    }
    organisation = await admin.post("/organisations", json=document)
    return UUID(answered(organisation, 201)["id"])


async def _person(admin: httpx.AsyncClient, role: str, organisation_id: UUID) -> UUID:
    document = {
        "organisation_id": str(organisation_id),
        "email": f"{role}@example.com",
        "name": f"The {role}",
        "password": PASSWORD,
        "roles": [role],
        "skills": ["cobot"] if role == "adjuster" else [],
    }
    person = await admin.post("/users", json=document)
    return UUID(answered(person, 201)["id"])
