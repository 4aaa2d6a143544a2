"""Deliveries and messages over HTTP."""

from __future__ import annotations

import pytest

from robosure.kernel.ids import uuid7
from tests.integration.contexts.notifications.conftest import (
    HOLDER,
    INSURER,
    Rows,
    Tell,
)
from tests.support import ApiClient, code_of


async def test_support_finds_what_was_told_about_a_policy(
    api: ApiClient, told: Tell
) -> None:
    # given a payment that was told
    await told()
    async with api.as_("support", organisation=INSURER) as support:
        # when support asks for the policy, a channel, a status, and another policy
        by_policy = await support.get(
            "/deliveries", params={"reference": "POL-2026-000042"}
        )
        waiting = await support.get(
            "/deliveries", params={"status": "pending", "holder_id": str(HOLDER)}
        )
        in_app = await support.get("/deliveries", params={"channel": "in_app"})
        other = await support.get("/deliveries", params={"reference": "POL-1"})
    # then each finds its own
    assert len(by_policy.json()["items"]) == 2
    assert [d["channel"] for d in waiting.json()["items"]] == ["email"]
    assert [d["recipient"] for d in in_app.json()["items"]] == [str(HOLDER)]
    assert other.json() == {"items": [], "next_cursor": None}
    (email,) = waiting.json()["items"]
    assert email["subject"] == "Payment of 93.34 EUR received for POL-2026-000042"
    assert email["text"].startswith("Dear Acme Robotics,")
    assert (email["attempts"], email["sent_at"], email["error"]) == (0, None, None)


async def test_a_message_is_read_by_each_colleague(api: ApiClient, told: Tell) -> None:
    # given a message to an organisation of two
    await told()
    ann = api.as_("policyholder", organisation=HOLDER, kind="operator")
    bob = api.as_("policyholder", organisation=HOLDER, kind="operator")
    async with ann, bob:
        (message,) = (await ann.get("/messages")).json()["items"]
        assert message["read_at"] is None
        assert (await ann.get("/messages/unread-count")).json() == {"unread": 1}
        # when one of them reads it, twice
        for _ in range(2):
            response = await ann.post(f"/messages/{message['id']}/read")
            assert response.status_code == 204
        # then it is read for her, and not for him
        (message,) = (await ann.get("/messages")).json()["items"]
        assert message["read_at"] == "2026-03-02T12:00:00Z"
        assert (await ann.get("/messages/unread-count")).json() == {"unread": 0}
        assert (await bob.get("/messages/unread-count")).json() == {"unread": 1}


async def test_an_organisation_sees_its_own_and_nobody_elses(
    api: ApiClient, told: Tell, rows: Rows
) -> None:
    await told()
    email, in_app = await rows()
    async with api.as_("admin") as stranger:
        assert (await stranger.get("/deliveries")).json()["items"] == []
        assert (await stranger.get("/messages")).json()["items"] == []
        response = await stranger.post(f"/messages/{in_app.id}/read")
        assert (response.status_code, code_of(response)) == (404, "message_not_found")
    async with api.as_("admin", organisation=HOLDER) as holder:
        assert len((await holder.get("/deliveries")).json()["items"]) == 2
        # an e-mail is no message in the app
        response = await holder.post(f"/messages/{email.id}/read")
        assert (response.status_code, code_of(response)) == (404, "message_not_found")


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("policyholder", "/deliveries"),
        ("adjuster", "/deliveries"),
        ("device", "/messages"),
        ("device", "/messages/unread-count"),
    ],
)
async def test_who_may_not_look_is_refused(
    api: ApiClient, role: str, path: str
) -> None:
    async with api.as_(role, organisation=uuid7()) as someone:
        response = await someone.get(path)
    assert (response.status_code, code_of(response)) == (403, "permission_required")
