"""People who sign in with a password, as tests of identity need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.journey import answered
from tests.support import ApiClient

PASSWORD: Final = "a long enough password"  # that of the seeded admin
ADMIN: Final = "admin@robosure.local"
ADA: Final = "ada@robosure.example"


@dataclass
class Person:
    """Somebody with a pair of tokens."""

    api: ApiClient
    pair: dict[str, Any]

    @property
    def client(self) -> httpx.AsyncClient:
        """Act as them."""
        client = self.api.anonymous()
        client.headers["Authorization"] = f"Bearer {self.pair['access_token']}"
        return client

    async def me(self) -> httpx.Response:
        """Ask who one is."""
        return await self.client.get("/auth/me")

    async def refresh(self, token: str | None = None) -> httpx.Response:
        """Present a refresh token, by default one's last."""
        return await refreshed(self.api, token or self.pair["refresh_token"])


async def refreshed(api: ApiClient, token: str) -> httpx.Response:
    """Present a refresh token."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await api.anonymous().post("/auth/token", data=form)


async def attempted(
    api: ApiClient,
    email: str = ADMIN,
    password: str = PASSWORD,
    *,
    code: str = "",
    agent: str = "tests",
) -> httpx.Response:
    """Try to sign in."""
    body = {"email": email, "password": password, "code": code}
    headers = {"User-Agent": agent}
    return await api.anonymous().post("/auth/sign-in", json=body, headers=headers)


async def signed_in(
    api: ApiClient,
    email: str = ADMIN,
    password: str = PASSWORD,
    *,
    code: str = "",
    agent: str = "tests",
) -> Person:
    """Sign in."""
    answer = await attempted(api, email, password, code=code, agent=agent)
    return Person(api, answered(answer, 200))


async def a_colleague(admin: Person, email: str = ADA, role: str = "support") -> str:
    """Register somebody, and return their id."""
    body = {"email": email, "name": "Ada", "password": PASSWORD, "roles": [role]}
    user: dict[str, Any] = answered(await admin.client.post("/users", json=body), 201)
    return str(user["id"])
