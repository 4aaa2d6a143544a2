"""The catalogue of event types over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from robosure.contexts.eventflow.schemas import SAMPLE, TELEMETRY
from robosure.entrypoints.registry import messages
from robosure.platform.settings import Settings
from tests.support import ApiClient, code_of


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["items"]]


async def test_everyone_who_is_signed_in_sees_all_that_travels(
    api: ApiClient, settings: Settings
) -> None:
    listed = names(await api.as_("device", kind="operator").get("/event-types"))

    assert listed == [message.name for message in messages(settings)]
    assert listed[0] == "robot.telemetry.v1"
    assert {"policies.PolicyBound", "eventflow.TelemetryExtracted"} < set(listed)


async def test_they_are_filtered_by_kind_and_owner(api: ApiClient) -> None:
    client = api.as_("admin")

    ingested = await client.get("/event-types", params={"kind": "ingested"})
    of_policies = await client.get("/event-types", params={"owner": "policies"})
    both = await client.get(
        "/event-types", params={"kind": "fact", "owner": "eventflow"}
    )
    of_nobody = await client.get("/event-types", params={"owner": "nobody"})

    assert names(ingested) == ["robot.telemetry.v1"]
    assert names(of_policies) == ["policies.PolicyBound"]
    assert names(both) == ["eventflow.TelemetryExtracted"]
    assert names(of_nobody) == []


async def test_a_kind_that_there_is_not_is_refused(api: ApiClient) -> None:
    answer = await api.as_("admin").get("/event-types", params={"kind": "rumour"})

    assert answer.status_code == 422
    assert code_of(answer) == "invalid_request"


async def test_an_ingested_type_says_how_it_is_sent_and_kept(api: ApiClient) -> None:
    answer = await api.as_("admin").get("/event-types/robot.telemetry.v1")

    assert answer.status_code == 200
    assert answer.json() == {
        "name": "robot.telemetry.v1",
        "kind": "ingested",
        "series": "robot.telemetry",
        "version": 1,
        "owner": "eventflow",
        "description": "One canonical telemetry sample; `subject` is the robot.",
        "status": "active",
        "sunset": None,
        "successor": None,
        "consumers": ["eventflow", "risk"],
        "retention_days": 400,
        "archived": True,
        "schema": TELEMETRY.schema,
        "sample": SAMPLE,
    }


async def test_its_sample_is_accepted(api: ApiClient) -> None:
    admin = api.as_("admin")
    sample = (await admin.get("/event-types/robot.telemetry.v1")).json()["sample"]

    receipt = await admin.post(
        "/events",
        json=sample,
        headers={"Content-Type": "application/cloudevents+json"},
    )

    assert receipt.status_code == 202
    assert (receipt.json()["accepted"], receipt.json()["refused"]) == (1, 0)


async def test_a_fact_says_who_tells_it_and_who_listens(
    api: ApiClient, settings: Settings
) -> None:
    answer = await api.as_("admin").get("/event-types/policies.PolicyBound")

    fact = answer.json()
    assert (fact["kind"], fact["owner"], fact["version"]) == ("fact", "policies", 1)
    assert {"claims", "payments"} <= set(fact["consumers"])
    assert fact["retention_days"] == settings.facts_retention_days
    assert fact["archived"] is False
    assert fact["sample"]["envelope"]["type"] == "policies.PolicyBound"
    assert fact["sample"]["payload"]["total"] == {"minor": 58_310, "currency": "EUR"}
    assert fact["schema"]["properties"]["holder_id"] == {
        "type": "string",
        "format": "uuid",
        "title": "Holder Id",
        "description": "The operator's organisation.",
    }


@pytest.mark.parametrize("path", ["", "/schema"])
async def test_a_type_that_there_is_not_is_not_found(api: ApiClient, path: str) -> None:
    answer = await api.as_("admin").get(f"/event-types/robot.rumour.v1{path}")

    assert answer.status_code == 404
    assert code_of(answer) == "event_type_not_found"


async def test_a_schema_is_published_for_validators(api: ApiClient) -> None:
    client = api.as_("device")

    of_data = await client.get("/event-types/robot.telemetry.v1/schema")
    of_event = await client.get(
        "/event-types/robot.telemetry.v1/schema", params={"of": "event"}
    )

    for answer in (of_data, of_event):
        assert answer.headers["content-type"] == "application/schema+json"
        Draft202012Validator.check_schema(answer.json())
    data, event = (Draft202012Validator(a.json()) for a in (of_data, of_event))
    assert data.is_valid(SAMPLE["data"])
    assert not data.is_valid({"battery": 101})
    assert event.is_valid(SAMPLE)
    assert not event.is_valid({**SAMPLE, "type": "robot.telemetry.v2"})


async def test_a_fact_is_published_as_it_says_and_as_it_travels(api: ApiClient) -> None:
    client = api.as_("device")
    path = "/event-types/claims.ClaimPaid/schema"

    payload = (await client.get(path)).json()
    whole = (await client.get(path, params={"of": "event"})).json()

    assert payload["required"][:2] == ["claim_id", "number"]
    assert whole["required"] == ["envelope", "payload"]


@pytest.mark.parametrize(
    "path",
    ["", "/robot.telemetry.v1", "/robot.telemetry.v1/schema"],
)
async def test_who_is_not_signed_in_sees_none(api: ApiClient, path: str) -> None:
    answer = await api.anonymous().get(f"/event-types{path}")

    assert answer.status_code == 401
    assert code_of(answer) == "not_signed_in"
