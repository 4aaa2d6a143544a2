"""Registers organisations, people, robots and devices that are a run's own."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from uuid import UUID

from robosure.entrypoints.client.api import Api, Caller


class Registry:
    """Registers, under names that no other run has."""

    def __init__(self, api: Api, admin: Caller) -> None:
        self._api = api
        self._admin = admin
        self._tag = secrets.token_hex(3)

    async def organisation(self, kind: str, name: str) -> str:
        """Register an organisation; return its id."""
        document = {
            "kind": kind,
            "name": f"{name} {self._tag}",
            "email": f"{kind}-{self._tag}@example.com",
            "country": "DE",
        }
        return str((await self._admin.post("/organisations", document))["id"])

    async def person(self, role: str, organisation_id: str) -> Caller:
        """Register a person with a role; return them signed in."""
        email, password = f"{role}-{self._tag}@example.com", secrets.token_urlsafe(18)
        document = {
            "organisation_id": organisation_id,
            "email": email,
            "name": f"The {role}",
            "password": password,
            "roles": [role],
            "skills": ["cobot"] if role == "adjuster" else [],
        }
        # Not repeatable by key, as a password is in it; the address is ours alone.
        await self._admin.post("/users", document, or_already="email_taken")
        return await self._api.sign_in(email, password)

    async def model(self, manufacturer_id: str) -> str:
        """Register a model of six joints; return its id."""
        document = {
            "manufacturer_id": manufacturer_id,
            "name": "CW3",
            "robot_class": "cobot",
            "joint_current_limits": ["5", "5", "4", "3", "3", "2"],
            "joint_temperature_limit": "50",
            "specifications": {"reach_mm": 500, "payload_kg": 3},
        }
        return str((await self._admin.post("/robot-models", document))["id"])

    async def robot(
        self, number: int, model_id: str, operator_id: str
    ) -> tuple[UUID, str]:
        """Register the model's robot of that number; return id and serial number."""
        document = {
            "serial_number": f"CW3-{self._tag}-{number:03d}",
            "model_id": model_id,
            "operator_id": operator_id,
            "insured_value": {"minor": 2_800_000, "currency": "EUR"},
            "commissioned_on": "2021-06-01",
            "operating_environment": "factory",
            "firmware": "3.15.8",
            "specifications": {},
        }
        robot = await self._admin.post("/robots", document)
        return UUID(robot["id"]), str(robot["serial_number"])

    async def api_key(
        self,
        organisation_id: str,
        *,
        scopes: Sequence[str],
        robot_id: UUID | None = None,
    ) -> str:
        """Make a device's key, for one robot or all of the organisation's."""
        document = {
            "organisation_id": organisation_id,
            "name": f"device {self._tag}",
            "scopes": list(scopes),
            "robot_id": None if robot_id is None else str(robot_id),
        }
        return str((await self._admin.post("/api-keys", document))["key"])
