"""Who takes part in the demo, and the robots and devices they bring."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from robosure.entrypoints.demo.client import Api, Caller


@dataclass
class Cast:
    """Who takes part, each signed in as themselves."""

    admin: Caller
    underwriter: Caller
    adjuster: Caller
    holder: Caller
    manufacturer_id: str
    operator_id: str
    _registry: _Registry

    @classmethod
    async def gather(cls, api: Api, email: str, password: str) -> Cast:
        """Sign in as the administrator, and register everyone else anew.

        Raises:
            DemoError: the administrator cannot sign in, or someone is refused.
        """
        admin = await api.sign_in(email, password)
        insurer_id: str = (await admin.get("/auth/me"))["organisation_id"]
        new = _Registry(api, admin)
        manufacturer_id = await new.organisation("manufacturer", "Cobot Works")
        operator_id = await new.organisation("operator", "Assembly Lines")
        return cls(
            admin=admin,
            underwriter=await new.person("underwriter", insurer_id),
            adjuster=await new.person("adjuster", insurer_id),
            holder=await new.person("policyholder", operator_id),
            manufacturer_id=manufacturer_id,
            operator_id=operator_id,
            _registry=new,
        )

    async def register(self, robots: int) -> dict[UUID, str]:
        """Register a model and so many robots; return their serial numbers by id."""
        model_id = await self._registry.model(self.manufacturer_id)
        fleet = [
            await self._registry.robot(number, model_id, self.operator_id)
            for number in range(1, robots + 1)
        ]
        return dict(fleet)

    async def device(self, robot_id: UUID) -> Caller:
        """Return a device that may send this robot's telemetry."""
        return await self._registry.device(robot_id, self.operator_id)


class _Registry:
    """Registers, under names that no other run of the demo has."""

    def __init__(self, api: Api, admin: Caller) -> None:
        self._api = api
        self._admin = admin
        self._tag = secrets.token_hex(3)

    async def organisation(self, kind: str, name: str) -> str:
        document = {
            "kind": kind,
            "name": f"{name} {self._tag}",
            "email": f"{kind}-{self._tag}@example.com",
            "country": "DE",
        }
        return str((await self._admin.post("/organisations", document))["id"])

    async def person(self, role: str, organisation_id: str) -> Caller:
        email, password = f"{role}-{self._tag}@example.com", secrets.token_urlsafe(18)
        document = {
            "organisation_id": organisation_id,
            "email": email,
            "name": f"Demo {role}",
            "password": password,
            "roles": [role],
            "skills": ["cobot"] if role == "adjuster" else [],
        }
        # Not repeatable by key, as a password is in it; the address is ours alone.
        await self._admin.post("/users", document, or_already="email_taken")
        return await self._api.sign_in(email, password)

    async def model(self, manufacturer_id: str) -> str:
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

    async def device(self, robot_id: UUID, operator_id: str) -> Caller:
        document = {
            "organisation_id": operator_id,
            "name": f"demo device {self._tag}",
            "scopes": ["telemetry:write", "events:write"],
            "robot_id": str(robot_id),
        }
        key = await self._admin.post("/api-keys", document)
        return self._api.with_key(key["key"])
