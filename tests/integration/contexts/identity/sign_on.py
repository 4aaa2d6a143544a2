"""An insurer whose people sign in by identity providers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
from sqlalchemy import func, select

from robosure.contexts.identity.tables import external_identities, organisations, users
from robosure.platform.database import Database
from tests.journey import answered
from tests.oidc_provider import Browser, RealProvider
from tests.support import ApiClient

HOME: Final = "https://robosure.local"
PAGE: Final = "https://app.robosure.example"
COOKIE: Final = "__Host-robosure-sso"
SCOPES: Final = ["openid", "email", "profile", "groups"]

Json = dict[str, Any]


@dataclass
class House:
    """The insurer."""

    api: ApiClient
    database: Database
    organisation_id: UUID
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @classmethod
    async def of(cls, api: ApiClient, database: Database) -> House:
        async with database.read() as session:
            found = (await session.execute(select(organisations.c.id))).scalar_one()
        return cls(api, database, found)

    @property
    def admin(self) -> httpx.AsyncClient:
        return self.api.as_("admin", organisation=self.organisation_id)

    def browser(self) -> Browser:
        """Return somebody's, with no cookies yet."""
        transport = httpx.ASGITransport(app=self.api.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(mounts={HOME: transport})
        self.clients.append(client)
        return Browser(client, HOME)

    async def names(self, issuer: str, **changes: Any) -> Json:
        """Name a provider, whose client we are not yet."""
        document = {
            "name": issuer,
            "kind": "oidc",
            "issuer": issuer,
            "client_id": "not yet",
            "client_secret": "not yet",
            "scopes": SCOPES,
            "roles_claim": "groups",
            "role_mapping": {"claims-team": ["adjuster"], "desk": ["support"]},
            **changes,
        }
        answer = await self.admin.post("/identity-providers", json=document)
        provider: Json = answered(answer, 201)
        return provider

    async def is_client_of(self, real: RealProvider, **changes: Any) -> Json:
        """Name a real provider, and become a client of it."""
        named = await self.names(real.issuer, **changes)
        client = real.register(named["redirect_uri"])
        return await self.changes(named, **client)

    async def changes(self, provider: Json, **changes: Any) -> Json:
        path = f"/identity-providers/{provider['id']}"
        changed: Json = answered(await self.admin.patch(path, json=changes))
        return changed

    async def users(self) -> int:
        async with self.database.read() as session:
            counting = select(func.count()).select_from(users)
            return int((await session.execute(counting)).scalar_one())

    async def identities(self) -> list[tuple[str, str]]:
        columns = external_identities.c
        async with self.database.read() as session:
            found = await session.execute(select(columns.issuer, columns.subject))
            return [(issuer, subject) for issuer, subject in found]

    async def me(self, pair: Json) -> httpx.Response:
        client = self.api.anonymous()
        client.headers["Authorization"] = f"Bearer {pair['access_token']}"
        return await client.get("/auth/me")


def button_of(provider: Json) -> str:
    """Return where the form is sent by which somebody begins."""
    return f"{HOME}/api/v1/auth/sso/{provider['id']}"


async def presses(
    browser: Browser, provider: Json, origin: str | None = HOME, **query: str
) -> httpx.Response:
    """Press the button, on a page of an origin; return what is answered."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if origin is not None:
        headers["Origin"] = origin
    return await browser.client.post(button_of(provider), params=query, headers=headers)


async def leaves(browser: Browser, provider: Json, **query: str) -> str:
    """Begin to sign in; return where the browser is sent."""
    answer = await presses(browser, provider, **query)
    assert answer.status_code == 303, answer.text
    location: str = answer.headers["location"]
    return location


async def signs_in(
    browser: Browser, provider: Json, name: str = "ada", **query: str
) -> httpx.Response:
    """Go all the way; return what the callback answers."""
    back = await browser.goes(await leaves(browser, provider, **query), name=name)
    return await browser.client.get(back)


def query_of(url: object) -> dict[str, str]:
    """Return a URL's parameters, each of which is there once."""
    found = parse_qs(urlsplit(str(url)).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}
