"""Stored events: found by whatever is asked, in their order, page by page."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final
from uuid import UUID

import httpx
import orjson
import pytest
from sqlalchemy import text

from robosure.contexts.eventflow.queries import Sight, search
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from tests.integration.contexts.eventflow.storing import (
    NOON,
    a_batch,
    a_robot,
    an_event,
    store,
    uid_of,
)
from tests.support import ApiClient, code_of

parquet: Final[Any] = import_module("pyarrow.parquet")


async def listed(client: httpx.AsyncClient, **asked: Any) -> list[str]:
    """Ids of all events that fit, page by page."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        params = {**asked, **({"cursor": cursor} if cursor else {})}
        answer = await client.get("/events", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [event["id"] for event in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def ids(*numbers: int) -> list[str]:
    return [f"event-{number}" for number in numbers]


async def test_events_come_newest_first_whatever_their_days_and_their_order(
    api: ApiClient, database: Database
) -> None:
    # given events over two years, stored in no order
    robot = uuid7()
    days = [3, 500, 0, 40, 1, 200, 2, 399, 8]
    events = [an_event(day, robot=robot, at=NOON - timedelta(days=day)) for day in days]
    await store(database, events)
    # when they are listed, in pages of any size
    for limit in (1, 2, 4, 200):
        found = await listed(api.as_("admin"), limit=limit)
        # then each is there once, by its time
        assert found == ids(0, 1, 2, 3, 8, 40, 200, 399, 500)
        assert found == await listed(api.as_("admin"), limit=limit, subject=str(robot))


async def test_events_of_one_moment_are_neither_left_out_nor_repeated(
    api: ApiClient, database: Database
) -> None:
    robot = uuid7()
    time = NOON.isoformat()
    await store(database, [an_event(n, robot=robot, time=time) for n in range(20)])

    found = await listed(api.as_("admin"), limit=3)

    assert sorted(found) == sorted(ids(*range(20)))


async def test_events_are_found_by_what_they_are(
    api: ApiClient, database: Database
) -> None:
    # given events of two robots, one of which also sends through a cell
    admin = api.as_("admin")
    one, other = uuid7(), uuid7()
    batch = a_batch(correlation_id="request-of-one")
    await store(database, [an_event(n, robot=one) for n in range(3)], batch=batch)
    await store(database, [an_event(3, robot=one, source="/cells/4")])
    await store(database, [an_event(n, robot=other) for n in (4, 5)])
    # then each is found by itself
    sent = an_event(1, robot=one)
    assert await listed(admin, uid=str(uid_of(sent))) == ids(1)
    own = f"/robots/{one}"
    assert await listed(admin, subject=str(one), source=own, id="event-1") == ids(1)
    assert await listed(admin, source=own, id="event-1") == ids(1)
    # and together with others by robot, source, type, time and request
    assert await listed(admin, subject=str(one)) == ids(3, 2, 1, 0)
    assert await listed(admin, source=own) == ids(2, 1, 0)
    assert await listed(admin, source="/cells/4") == ids(3)
    assert await listed(admin, id="event-4") == ids(4)
    assert await listed(admin, type="robot.telemetry.v1") == ids(5, 4, 3, 2, 1, 0)
    assert await listed(admin, type="robot.gossip.v1") == []
    assert await listed(admin, correlation_id="request-of-one") == ids(2, 1, 0)
    window = {
        "from": (NOON + timedelta(seconds=1)).isoformat(),
        "to": (NOON + timedelta(seconds=4)).isoformat(),
    }
    assert await listed(admin, **window) == ids(3, 2, 1)
    assert await listed(admin, subject=str(one), **window) == ids(3, 2, 1)
    assert await listed(admin, correlation_id="request-of-one", **window) == ids(2, 1)
    # and by nothing that does not fit together
    assert await listed(admin, uid=str(uid_of(sent)), id="event-2") == []
    assert await listed(admin, subject=str(other), source=own) == []
    assert await listed(admin, correlation_id="no-such-request") == []
    assert await listed(admin, subject=str(uuid7())) == []


async def test_events_of_absurd_clocks_are_found(
    api: ApiClient, database: Database
) -> None:
    robot = uuid7()
    clocks = [
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
    ]
    events = [an_event(n, robot=robot, at=at) for n, at in enumerate(clocks)]
    await store(database, [*events, an_event(3, robot=robot)])

    for asked in ({}, {"subject": str(robot)}):
        found = await listed(api.as_("admin"), limit=1, **asked)
        assert found == ids(1, 3, 2, 0)


async def test_an_operator_finds_what_its_robots_sent_and_nothing_else(
    api: ApiClient, database: Database
) -> None:
    # given two robots of an operator, and one of another
    operator, maker = uuid7(), uuid7()
    mine = [await a_robot(database, operator=operator) for _ in range(2)]
    mine.append(await a_robot(database, operator=uuid7(), maker=maker))
    theirs = await a_robot(database, operator=uuid7())
    for n, robot in enumerate([*mine, theirs]):
        events = [an_event(n + 4 * k, robot=robot) for k in range(3)]
        await store(database, events, batch=a_batch(correlation_id=f"r-{n}"))
    operators = api.as_("operator_admin", organisation=operator, kind="operator")
    # then its own are listed, whatever is asked
    assert await listed(operators, limit=2) == ids(9, 8, 5, 4, 1, 0)
    assert await listed(operators, limit=2, id="event-5") == ids(5)
    assert await listed(operators, subject=str(mine[1])) == ids(9, 5, 1)
    assert await listed(operators, correlation_id="r-0") == ids(8, 4, 0)
    # and the other's are not, however they are asked for
    stranger = an_event(3, robot=theirs)
    for asked in (
        {"subject": str(theirs)},
        {"source": stranger["source"]},
        {"uid": str(uid_of(stranger))},
        {"correlation_id": "r-3"},
        {"id": stranger["id"]},
    ):
        assert await listed(operators, **asked) == []
    unseen = await operators.get(f"/events/{uid_of(stranger)}")
    assert code_of(unseen) == "event_not_found"
    makers = api.as_("manufacturer_admin", organisation=maker, kind="manufacturer")
    assert await listed(makers) == ids(10, 6, 2)
    nobody = api.as_("operator_admin", kind="operator")
    assert await listed(nobody) == []


async def test_an_operator_of_many_robots_finds_the_same(
    api: ApiClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given more robots than are asked one by one
    monkeypatch.setattr(search, "_ROBOTS_ASKED", 2)
    operator = uuid7()
    for n in range(4):
        robot = await a_robot(database, operator=operator)
        await store(database, [an_event(n + 4 * k, robot=robot) for k in range(2)])
    await store(database, [an_event(99, robot=uuid7())])
    operators = api.as_("operator_admin", organisation=operator, kind="operator")

    assert await listed(operators, limit=3) == ids(*range(7, -1, -1))


async def test_what_is_rare_is_found_a_part_of_the_store_at_a_time(
    api: ApiClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given one event of a cell among many, and few that are tried at once
    monkeypatch.setattr(search, "TRIED", 10)
    monkeypatch.setattr("robosure.contexts.eventflow.queries.events.TRIED", 10)
    admin, robot = api.as_("admin"), uuid7()
    events = [an_event(n, robot=robot) for n in range(50)]
    events[7]["source"] = "/cells/4"
    await store(database, events)
    # when it is asked for, then a page may be empty, and the list goes on
    params = {"source": "/cells/4", "limit": "5"}
    first = (await admin.get("/events", params=params)).json()
    assert first["items"] == []
    assert first["next_cursor"] is not None
    # and it is found
    assert await listed(admin, **params) == ids(7)
    assert await listed(admin, subject=str(robot), **params) == ids(7)


async def test_an_event_is_read_by_its_uid(api: ApiClient, database: Database) -> None:
    event = an_event(4, robot=uuid7())
    batch = await store(database, [event])

    answer = await api.as_("underwriter").get(f"/events/{uid_of(event)}")

    assert answer.json() == {
        "uid": str(uid_of(event)),
        "source": event["source"],
        "id": "event-4",
        "type": "robot.telemetry.v1",
        "subject": event["subject"],
        "time": "2026-03-02T12:00:04Z",
        "data": {"cycle": 4},
        "received_at": "2026-03-02T12:00:00Z",
        "batch_id": str(batch.batch_id),
    }
    missing = await api.as_("underwriter").get(f"/events/{uuid7()}")
    assert (missing.status_code, code_of(missing)) == (404, "event_not_found")


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "f" * 32, "A" * 31, "é"])
async def test_a_cursor_that_is_none_is_refused(api: ApiClient, cursor: str) -> None:
    answer = await api.as_("admin").get("/events", params={"cursor": cursor})

    assert (answer.status_code, code_of(answer)) == (422, "invalid_cursor")


@pytest.mark.parametrize(
    "bad", [{"from": "2026-03-02T08:00:01"}, {"source": "a\0b"}, {"subject": "x"}]
)
async def test_a_filter_that_says_nothing_is_refused(
    api: ApiClient, bad: dict[str, str]
) -> None:
    answer = await api.as_("admin").get("/events", params=bad)

    assert code_of(answer) == "invalid_request"


# --- which index answers --------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"subject": UUID(int=1)}, "subject_time"),
        ({"source": f"/robots/{UUID(int=1)}"}, "subject_time"),
        ({}, "time_idx"),
        ({"type": "robot.telemetry.v1"}, "time_idx"),
    ],
)
async def test_no_list_reads_a_whole_table(
    api: ApiClient, database: Database, asked: dict[str, Any], index: str
) -> None:
    # given enough events that reading them all would cost more than an index
    async with database.write() as session:
        await session.execute(
            text(
                "INSERT INTO eventflow.events SELECT gen_random_uuid(), "
                "'2026-03-02', 's', n::text, 'robot.telemetry.v1', "
                "CAST(lpad(to_hex(n % 100), 32, '0') AS uuid), "
                "timestamptz '2026-03-02Z' + n * interval '1 s', '{}', now() "
                "FROM generate_series(1, 20000) n"
            )
        )
        await session.execute(
            text(
                "INSERT INTO eventflow.subject_counts "
                "SELECT subject, count(*), 0, min(time), max(time) "
                "FROM eventflow.events GROUP BY subject"
            )
        )
    async with database.engine.connect() as connection:
        analysing = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await analysing.execute(text("ANALYZE eventflow.events"))
    # when the plan of its query is looked at
    principal = api.principal("admin")
    async with database.read() as session:
        sight = Sight(principal)
        plan = await search.plan(session, sight, search.EventFilter(**asked))
        assert plan is not None
        for span in plan.spans(None, today=NOON.date()):
            statement = plan.candidates(span, None, limit=51)
            written = statement.compile(
                database.engine, compile_kwargs={"literal_binds": True}
            )
            lines = await session.execute(text(f"EXPLAIN {written}"))
            # then it walks that index; only a day without events is read as it is
            shown = lines.scalars().all()
            assert any(index in line for line in shown)
            scans = [line for line in shown if "Seq Scan" in line]
            assert all("cost=0.00..0.00" in line for line in scans), shown


# --- exports --------------------------------------------------------------------------


async def exported(client: httpx.AsyncClient, **asked: str) -> httpx.Response:
    answer = await client.get("/events/export", params=asked)
    assert answer.status_code == 200, answer.text
    return answer


async def test_an_export_holds_all_that_fits_in_each_form(
    api: ApiClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given more events than are read at once
    monkeypatch.setattr("robosure.contexts.eventflow.queries.export._ROWS", 3)
    admin, robot = api.as_("admin"), uuid7()
    await store(database, [an_event(n, robot=robot) for n in range(8)])
    await store(database, [an_event(20, robot=uuid7())])
    asked = {"subject": str(robot)}
    expected = ids(*range(7, -1, -1))
    # then lines of JSON are as the list shows them
    lines = await exported(admin, **asked)
    assert lines.headers["content-type"] == "application/x-ndjson"
    told = [orjson.loads(line) for line in lines.content.splitlines()]
    page = (await admin.get("/events", params=asked)).json()["items"]
    assert told == page
    # and CSV has a header and a row for each
    sheet = await exported(admin, **asked, format="csv")
    assert sheet.headers["content-disposition"] == 'attachment; filename="events.csv"'
    rows = list(csv.DictReader(io.StringIO(sheet.text)))
    assert [row["id"] for row in rows] == expected
    assert rows[0]["data"] == '{"cycle":7}'
    assert rows[0]["time"] == "2026-03-02T12:00:07Z"
    # and Parquet has the columns of the table
    file = await exported(admin, **asked, format="parquet")
    table = parquet.read_table(io.BytesIO(file.content)).to_pylist()
    assert [row["id"] for row in table] == expected
    assert table[0]["time"] == NOON + timedelta(seconds=7)
    assert table[0]["data"] == '{"cycle":7}'
    assert table[0]["subject"] == str(robot)


@pytest.mark.parametrize("form", ["ndjson", "csv", "parquet"])
async def test_an_export_of_nothing_is_a_whole_file(api: ApiClient, form: str) -> None:
    answer = await exported(api.as_("admin"), format=form)

    if form == "ndjson":
        assert answer.content == b""
    elif form == "csv":
        assert answer.text.startswith("uid,source,id,type,subject,time,data")
    else:
        assert parquet.read_table(io.BytesIO(answer.content)).num_rows == 0


async def test_a_senders_text_is_no_formula_in_a_spreadsheet(
    api: ApiClient, database: Database
) -> None:
    await store(database, [an_event(0, robot=uuid7(), id='=HYPERLINK("http://x")')])

    sheet = await exported(api.as_("admin"), format="csv")

    (row,) = csv.DictReader(io.StringIO(sheet.text))
    assert row["id"] == '\'=HYPERLINK("http://x")'


async def test_an_export_holds_nothing_of_others(
    api: ApiClient, database: Database
) -> None:
    operator = uuid7()
    robot = await a_robot(database, operator=operator)
    await store(database, [an_event(0, robot=robot), an_event(1, robot=uuid7())])

    operators = api.as_("operator_admin", organisation=operator, kind="operator")
    lines = await exported(operators)

    assert [orjson.loads(line)["id"] for line in lines.content.splitlines()] == ids(0)
    assert code_of(await api.anonymous().get("/events/export")) == "not_signed_in"
