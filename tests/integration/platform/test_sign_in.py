"""Who is asking, and may they: nothing is changed for anyone else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from robosure.platform.audit import audit_entries
from robosure.platform.database import Database, ReadSession, WriteSession
from robosure.platform.security import Principal, Tokens
from tests.support import ApiClient, FixedClock, code_of


async def entries(db: Database) -> list[Any]:
    async with db.read() as session:
        return list((await session.execute(select(audit_entries))).all())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_who_is_not_signed_in_is_asked_to(web: ApiClient, db: Database) -> None:
    async with web.anonymous() as client:
        refused = await client.post("/carts", json={"name": "a"})
    assert (refused.status_code, code_of(refused)) == (401, "not_signed_in")
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert await entries(db) == []


async def test_another_role_is_refused_and_nothing_changes(
    web: ApiClient, db: Database
) -> None:
    async with web.as_("support") as client:
        refused = await client.post("/carts", json={"name": "a"})
        assert (await client.get("/me")).status_code == 200
    assert (refused.status_code, code_of(refused)) == (403, "permission_required")
    assert refused.json()["context"] == {"permission": "carts:write"}
    assert await entries(db) == []


@pytest.mark.parametrize("kind", ["expired", "forged", "garbled", "basic"])
async def test_a_token_that_proves_nothing_is_refused(
    web: ApiClient, clock: FixedClock, kind: str
) -> None:
    principal = web.principal("admin")
    foreign = Tokens.from_settings(web.edge.runtime.settings)
    yesterday = clock.now() - timedelta(days=1)
    headers, code = {
        "expired": (
            bearer(web.edge.tokens.issue(principal, now=yesterday)),
            "token_expired",
        ),
        "forged": (
            bearer(foreign.issue(principal, now=clock.now())),
            "invalid_token",
        ),
        "garbled": (bearer("nothing.like.it"), "invalid_token"),
        "basic": ({"Authorization": "Basic YTpi"}, "not_signed_in"),
    }[kind]
    async with web.anonymous() as client:
        refused = await client.get("/me", headers=headers)
    assert (refused.status_code, code_of(refused)) == (401, code)


async def test_an_api_key_says_who_is_asking(web: ApiClient, clock: FixedClock) -> None:
    # given a context that knows one key
    known = replace(web.principal("admin"), kind="api_key", name="a robot")

    class Keys:
        async def authenticate(
            self, session: WriteSession, presented: str, *, now: datetime
        ) -> Principal | None:
            return known if presented == "rbs_known" else None

        async def ended_sessions(
            self, session: ReadSession, *, since: datetime
        ) -> Mapping[UUID, float]:
            return {}

    web.app.state.edge = replace(web.edge, authenticator=Keys())
    async with web.anonymous() as client:
        right = await client.get("/me", headers={"X-API-Key": "rbs_known"})
        wrong = await client.get("/me", headers={"X-API-Key": "rbs_other"})
    assert right.json() == {"name": "a robot", "kind": "api_key"}
    assert (wrong.status_code, code_of(wrong)) == (401, "invalid_api_key")
