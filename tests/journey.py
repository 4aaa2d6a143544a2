"""A small world, built through the public API: an insurer, its people, a fleet, cover.

Tests of the main job begin here, and say only what they are about.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from robosure.contexts.risk.jobs import score_stale
from robosure.entrypoints.registry import load
from robosure.platform.runtime import Runtime
from tests.support import ApiClient, Delivery

Json = dict[str, Any]

PASSWORD: Final = "correct horse battery staple"
BATCH: Final = "application/cloudevents-batch+json"
_SHARED: Final = Path(__file__).parents[2] / "shared" / "data"


def ur3_file() -> Path:
    """Return the real telemetry; skip the test where it is not there."""
    folder = Path(os.environ.get("ROBOSURE_SHARED_DATA") or _SHARED)
    path = folder / "ur3_cobotops.csv"
    if not path.exists():
        pytest.skip(f"the UR3 CobotOps telemetry is not in {folder}")
    return path


def answered(response: httpx.Response, status: int | None = None) -> Any:
    """Return the JSON answer of a call that is to succeed."""
    assert response.is_success, f"{response.request.url}: {response.text}"
    assert status in (None, response.status_code)
    return response.json()


@dataclass
class World:
    """Who there is. Each client acts as one of them."""

    api: ApiClient
    deliver: Delivery
    insurer_id: UUID
    manufacturer_id: UUID
    operator_id: UUID
    admin: httpx.AsyncClient
    underwriter: httpx.AsyncClient
    adjuster: httpx.AsyncClient
    holder: httpx.AsyncClient
    device: httpx.AsyncClient

    @classmethod
    async def build(cls, api: ApiClient, deliver: Delivery, runtime: Runtime) -> World:
        """Seed an empty installation, and register who takes part."""
        for context in load():
            if context.seed is not None:
                await context.seed(runtime.database, runtime.settings)
        admin = await _signed_in(api, runtime)
        insurer_id = UUID(answered(await admin.get("/auth/me"))["organisation_id"])
        manufacturer_id = await _organisation(admin, "manufacturer", "Cobot Works")
        operator_id = await _organisation(admin, "operator", "Assembly Lines")
        underwriter_id = await _person(admin, "underwriter", insurer_id)
        adjuster_id = await _person(admin, "adjuster", insurer_id)
        holder_id = await _person(admin, "policyholder", operator_id)
        await deliver()
        return cls(
            api=api,
            deliver=deliver,
            insurer_id=insurer_id,
            manufacturer_id=manufacturer_id,
            operator_id=operator_id,
            admin=admin,
            underwriter=api.as_(
                "underwriter", organisation=insurer_id, subject=underwriter_id
            ),
            adjuster=api.as_("adjuster", organisation=insurer_id, subject=adjuster_id),
            holder=api.as_(
                "policyholder",
                organisation=operator_id,
                kind="operator",
                subject=holder_id,
            ),
            device=api.as_("device", organisation=operator_id, kind="operator"),
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


async def _signed_in(api: ApiClient, runtime: Runtime) -> httpx.AsyncClient:
    settings = runtime.settings
    assert settings.admin_password is not None
    password = settings.admin_password.get_secret_value()
    client = api.anonymous()
    await sign_in(client, settings.admin_email, password)
    return client


async def sign_in(client: httpx.AsyncClient, email: str, password: str) -> None:
    """Sign in, and act as that user from now on."""
    form = {"username": email, "password": password}
    token = answered(await client.post("/auth/token", data=form))["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


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
