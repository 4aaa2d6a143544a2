"""Integration profiles and raw telemetry, from HTTP to stored events."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import httpx
import pytest

from robosure.contexts.robots.service import seed
from robosure.kernel.ids import uuid7
from robosure.platform.runtime import Runtime
from robosure.platform.streams.bus import INGEST, INGEST_GROUP
from tests.integration.contexts.robots.conftest import PROFILE, KeyOf
from tests.support import ApiClient, Delivery, code_of

CSV = {"Content-Type": "text/csv"}
HEADER = "at;I0;I1;n\n"
ROW = "2022-10-26T08:17:21Z;1,5;;7\n"


async def waiting(runtime: Runtime) -> int:
    """How many entries wait to be processed."""
    partitions = runtime.settings.event_partitions
    backlog = await runtime.bus.backlog(INGEST, INGEST_GROUP, partitions=partitions)
    return backlog.entries


async def send(
    client: httpx.AsyncClient, robot: str, body: str, **headers: str
) -> httpx.Response:
    return await client.post(
        f"/robots/{robot}/telemetry",
        params={"profile": "two-joints"},
        content=body,
        headers={**CSV, **headers},
    )


async def counts(api: ApiClient, robot: str) -> tuple[int, int, int]:
    answer = await api.as_("admin").get("/event-counts", params={"subject": robot})
    document = answer.json()
    return document["stored"], document["repeated"], document["failed"]


async def test_raw_rows_become_stored_events(
    api: ApiClient, deliver: Delivery, robot: str, operator: UUID
) -> None:
    # given a row that can be read, and one that cannot
    bad = "2022-10-26T08:17:22Z;x;;7\n"

    # when the operator sends both
    operators = api.as_("operator_admin", organisation=operator, kind="operator")
    sent = await send(operators, robot, HEADER + bad + ROW)

    # then it says which is which
    assert sent.status_code == 202, sent.text
    receipt = sent.json()
    assert receipt["accepted"] == 1
    assert receipt["refused"] == [
        {
            "row": 0,
            "code": "not_a_number",
            "detail": "not a number: 'x' in column 'I0'",
        }
    ]
    assert receipt["first_at"] == receipt["last_at"] == "2022-10-26T08:17:21Z"

    # and the good one is an event, its missing reading unknown
    await deliver()
    stored = await operators.get("/events", params={"subject": robot})
    (event,) = stored.json()["items"]
    assert event["source"] == f"/robots/{robot}"
    assert event["type"] == "robot.telemetry.v1"
    assert event["time"] == "2022-10-26T08:17:21Z"
    assert event["data"] == {"joint_currents": [1.5, None], "cycle": 7}


async def test_rows_sent_again_are_counted_and_not_stored(
    api: ApiClient, deliver: Delivery, robot: str
) -> None:
    admin = api.as_("admin")
    for body in (HEADER + ROW, HEADER + ROW, HEADER + ROW + ROW):
        assert (await send(admin, robot, body)).status_code == 202
    await deliver()

    assert await counts(api, robot) == (1, 3, 0)


async def test_a_request_repeated_with_its_key_is_the_same_batch(
    api: ApiClient, deliver: Delivery, robot: str
) -> None:
    admin = api.as_("admin", subject=uuid7())
    key = {"Idempotency-Key": str(uuid4())}

    first = await send(admin, robot, HEADER + ROW, **key)
    again = await send(admin, robot, HEADER + ROW, **key)
    await deliver()

    assert again.json() == first.json()
    assert await counts(api, robot) == (1, 0, 0)

    # and what is sent under a key used before is not lost
    other = await send(admin, robot, HEADER + ROW.replace("7\n", "8\n"), **key)
    await deliver()
    assert other.json()["batch_id"] != first.json()["batch_id"]
    assert await counts(api, robot) == (2, 0, 0)


@pytest.mark.parametrize(
    ("body", "headers", "params", "status", "code"),
    [
        (HEADER + ROW, {"Content-Type": "text/html"}, {}, 415, None),
        ("at;I0\n", CSV, {}, 422, "missing_column"),
        ("", CSV, {}, 422, "missing_header"),
        ("{}", {"Content-Type": "application/json"}, {}, 422, "format_mismatch"),
        (HEADER + ROW * 1001, CSV, {}, 413, "too_many_rows"),
        (HEADER + ROW, CSV, {"profile": "unknown"}, 404, None),
        (HEADER + ROW, CSV, {"profile": "Not A Name"}, 422, "invalid_request"),
        (HEADER + ROW, CSV, {"start": "2022-10-26T08:00:00"}, 422, "invalid_request"),
        (HEADER + ROW, CSV, {"first_row": "-1"}, 422, "invalid_request"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_as_a_whole(
    *,
    api: ApiClient,
    runtime: Runtime,
    robot: str,
    body: str,
    headers: dict[str, str],
    params: dict[str, str],
    status: int,
    code: str | None,
) -> None:
    answer = await api.as_("admin").post(
        f"/robots/{robot}/telemetry",
        params={"profile": "two-joints", **params},
        content=body,
        headers=headers,
    )

    assert answer.status_code == status, answer.text
    assert code is None or code_of(answer) == code
    assert await waiting(runtime) == 0


async def test_nothing_to_say_leaves_the_stream_alone(
    api: ApiClient, runtime: Runtime, robot: str
) -> None:
    sent = await send(api.as_("admin"), robot, HEADER)

    assert (sent.status_code, sent.json()["accepted"]) == (202, 0)
    assert sent.json()["first_at"] is None
    assert await waiting(runtime) == 0


async def test_only_those_who_run_a_robot_speak_for_it(
    api: ApiClient, robot: str
) -> None:
    body = HEADER + ROW
    stranger = api.as_("operator_admin", kind="operator")
    assert code_of(await send(stranger, robot, body)) == "robot_not_found"
    reader = api.as_("policyholder", kind="operator")
    assert code_of(await send(reader, robot, body)) == "permission_required"
    nobody = await send(api.as_("admin"), str(uuid7()), body)
    assert code_of(nobody) == "robot_not_found"


async def test_a_key_bound_to_a_robot_sends_for_that_one_only(
    api: ApiClient, robot: str, key_of: KeyOf
) -> None:
    mine = await send(await key_of(robot, "telemetry:write"), robot, HEADER + ROW)
    assert mine.status_code == 202, mine.text

    another = await key_of(str(uuid7()), "telemetry:write")
    refused = await send(another, robot, HEADER + ROW)
    assert (refused.status_code, code_of(refused)) == (403, "bound_to_another_robot")


async def test_json_and_counted_time_are_read_too(
    api: ApiClient, deliver: Delivery, robot: str
) -> None:
    admin = api.as_("admin")
    document = {
        "format": "json",
        "timestamp": {"step_milliseconds": 8},
        "readings": {"battery": {"column": "soc", "unit": "ratio"}},
    }
    profile = {"name": "counted", "title": "Counted", "document": document}
    await admin.post("/integration-profiles", json=profile)

    sent = await admin.post(
        f"/robots/{robot}/telemetry",
        params={
            "profile": "counted",
            "start": "2026-03-02T08:00:00+01:00",
            "first_row": "125",
        },
        content='{"soc": 0.5}\n{"soc": 0.25}\n',
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert sent.json()["accepted"] == 2, sent.text
    await deliver()

    events = (await admin.get("/events", params={"subject": robot})).json()["items"]
    found = {event["time"]: event["data"] for event in events}
    assert found == {
        "2026-03-02T07:00:01Z": {"battery": 50.0},
        "2026-03-02T07:00:01.008000Z": {"battery": 25.0},
    }


async def test_a_profile_is_saved_once_under_its_name_and_read(
    api: ApiClient, robot: str
) -> None:
    admin = api.as_("admin")
    again = await admin.post("/integration-profiles", json=PROFILE)
    assert code_of(again) == "integration_profile_exists"

    listed = (await admin.get("/integration-profiles")).json()["items"]
    assert [profile["name"] for profile in listed] == ["two-joints"]
    one = await admin.get("/integration-profiles/two-joints")
    document = one.json()["document"]
    assert document["numbers"] == {"decimal_mark": ",", "thousands_mark": None}
    assert document["readings"]["cycle"] == {"column": "n"}
    missing = await admin.get("/integration-profiles/three-joints")
    assert code_of(missing) == "integration_profile_not_found"


async def test_what_a_profile_gives_out_it_takes_in(api: ApiClient, robot: str) -> None:
    admin = api.as_("admin")
    one = (await admin.get("/integration-profiles/two-joints")).json()
    copy = {"name": "copy", "title": "Copy", "document": one["document"]}

    saved = await admin.post("/integration-profiles", json=copy)

    assert saved.status_code == 201, saved.text
    assert saved.json()["document"] == one["document"]


async def test_a_profile_is_previewed_before_it_is_saved(api: ApiClient) -> None:
    admin = api.as_("admin")
    sample = HEADER + ROW * 12 + "2022-10-26T08:17:22Z;x;;7\n"
    body = {"document": PROFILE["document"], "sample": sample}

    preview = await admin.post("/integration-profiles/preview", json=body)

    assert preview.status_code == 200, preview.text
    shown = preview.json()
    assert shown["mapped"] == 12
    assert len(shown["samples"]) == 10
    assert shown["samples"][0]["data"] == {"joint_currents": [1.5, None], "cycle": 7}
    assert [problem["row"] for problem in shown["problems"]] == [12]
    assert (await admin.get("/integration-profiles")).json()["items"] == []


async def test_a_profile_that_makes_no_sense_is_refused_field_by_field(
    api: ApiClient,
) -> None:
    admin = api.as_("admin")
    document = json.loads(json.dumps(PROFILE["document"]))
    document["readings"]["joint_currents"]["unit"] = "celsius"
    document["timestamp"]["time_zone"] = "Mars/Base"
    profile = {**PROFILE, "document": document}

    refused = await admin.post("/integration-profiles", json=profile)
    assert code_of(refused) == "invalid_profile"
    assert refused.json()["errors"] == [
        {
            "field": "timestamp.time_zone",
            "code": "unknown_time_zone",
            "detail": "no zone 'Mars/Base'",
        },
        {
            "field": "readings.joint_currents.unit",
            "code": "wrong_unit",
            "detail": "one of ampere, milliampere",
        },
    ]
    assert refused.json()["context"] == {}
    document["numbers"]["comma"] = ","
    unknown = await admin.post("/integration-profiles", json=profile)
    assert code_of(unknown) == "invalid_request"
    assert (await admin.get("/integration-profiles")).json()["items"] == []


async def test_the_shipped_profiles_are_seeded_once(
    api: ApiClient, runtime: Runtime
) -> None:
    await seed(runtime.database, runtime.settings)
    await seed(runtime.database, runtime.settings)

    listed = (await api.as_("admin").get("/integration-profiles")).json()["items"]
    assert [profile["name"] for profile in listed] == ["ur3-cobotops"]
