"""Who takes part in the demo, and the robots and devices they bring."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from robosure.entrypoints.client.api import Api, Caller
from robosure.entrypoints.client.registry import Registry


@dataclass
class Cast:
    """Who takes part, each signed in as themselves."""

    admin: Caller
    underwriter: Caller
    adjuster: Caller
    holder: Caller
    manufacturer_id: str
    operator_id: str
    _api: Api
    _registry: Registry

    @classmethod
    async def gather(cls, api: Api, email: str, password: str) -> Cast:
        """Sign in as the administrator, and register everyone else anew.

        Raises:
            ClientError: the administrator cannot sign in, or someone is refused.
        """
        admin = await api.sign_in(email, password)
        insurer_id: str = (await admin.get("/auth/me"))["organisation_id"]
        new = Registry(api, admin)
        manufacturer_id = await new.organisation("manufacturer", "Cobot Works")
        operator_id = await new.organisation("operator", "Assembly Lines")
        return cls(
            admin=admin,
            underwriter=await new.person("underwriter", insurer_id),
            adjuster=await new.person("adjuster", insurer_id),
            holder=await new.person("policyholder", operator_id),
            manufacturer_id=manufacturer_id,
            operator_id=operator_id,
            _api=api,
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
        key = await self._registry.api_key(
            self.operator_id,
            robot_id=robot_id,
            scopes=["telemetry:write", "events:write"],
        )
        return self._api.with_key(key)
