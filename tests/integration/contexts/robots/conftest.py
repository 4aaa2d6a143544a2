"""A fleet to test with: organisations that identity told of, a robot, its keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from robosure.kernel.ids import uuid7
from tests.support import ApiClient, Delivery

KeyOf = Callable[..., Awaitable[httpx.AsyncClient]]
"""Makes a client with an API key bound to a robot, with these permissions."""

PROFILE: dict[str, Any] = {
    "name": "two-joints",
    "title": "Two joints",
    "document": {
        "format": "csv",
        "csv": {"delimiter": ";"},
        "numbers": {"decimal_mark": ","},
        "timestamp": {"column": "at"},
        "readings": {
            "joint_currents": {"columns": ["I0", "I1"], "unit": "ampere"},
            "cycle": {"column": "n"},
        },
    },
}


@pytest.fixture
async def operator(api: ApiClient) -> UUID:
    return await an_organisation(api, "operator")


@pytest.fixture
async def robot(api: ApiClient, deliver: Delivery, operator: UUID) -> str:
    """A registered robot, and a profile for it."""
    maker = await an_organisation(api, "manufacturer")
    await deliver()
    admin = api.as_("admin")
    model = (await admin.post("/robot-models", json=a_model(maker))).json()["id"]
    robot = await admin.post("/robots", json=a_robot(model, operator))
    saved = await admin.post("/integration-profiles", json=PROFILE)
    assert saved.status_code == 201, saved.text
    await deliver()
    return str(robot.json()["id"])


@pytest.fixture
def key_of(api: ApiClient, operator: UUID) -> KeyOf:
    async def make(robot_id: str, *scopes: str) -> httpx.AsyncClient:
        admin = api.as_("operator_admin", organisation=operator, kind="operator")
        body = {"name": "Cell 4", "scopes": scopes, "robot_id": robot_id}
        issued = await admin.post("/api-keys", json=body)
        assert issued.status_code == 201, issued.text
        client = api.anonymous()
        client.headers["X-API-Key"] = issued.json()["key"]
        return client

    return make


async def an_organisation(api: ApiClient, kind: str) -> UUID:
    """Register an organisation; robots hears of it when facts are delivered."""
    body = {
        "kind": kind,
        "name": f"A {kind} called {uuid7()}",
        "email": "office@example.com",
        "country": "NO",
    }
    registered = await api.as_("admin").post("/organisations", json=body)
    assert registered.status_code == 201, registered.text
    return UUID(registered.json()["id"])


def a_model(manufacturer_id: UUID, **changes: Any) -> dict[str, Any]:
    return {
        "manufacturer_id": str(manufacturer_id),
        "name": "UR3",
        "robot_class": "cobot",
        "joint_current_limits": ["6.0", "2.5"],
        "joint_temperature_limit": "70",
        "specifications": {"reach_mm": 500},
        **changes,
    }


def a_robot(model_id: str, operator_id: UUID, **changes: Any) -> dict[str, Any]:
    return {
        "model_id": model_id,
        "operator_id": str(operator_id),
        "serial_number": "20223501234",
        "insured_value": {"minor": 2_500_000, "currency": "EUR"},
        "commissioned_on": "2022-03-01",
        "operating_environment": "factory",
        "firmware": "5.12",
        **changes,
    }
