"""A claim asks for evidence, and eventflow freezes it."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from robosure.contexts.claims.events import EvidenceRequested
from robosure.contexts.eventflow.jobs import extract_due
from robosure.contexts.eventflow.service.evidence import take_request
from robosure.contexts.eventflow.tables import extractions
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.events import publish
from robosure.platform.outbox import outbox
from robosure.platform.runtime import Runtime
from tests.integration.contexts.eventflow.conftest import (
    AT,
    ROBOT,
    Sending,
    an_event,
    rows,
)
from tests.support import Delivery, FixedClock


async def request(database: Database, *, start: datetime, end: datetime) -> UUID:
    request_id = uuid7()
    async with database.write() as session:
        publish(session, EvidenceRequested(request_id, uuid7(), ROBOT, start, end))
    return request_id


async def told(database: Database) -> list[dict[str, Any]]:
    async with database.read() as session:
        statement = (
            select(outbox.c.payload)
            .where(outbox.c.type == "eventflow.TelemetryExtracted")
            .order_by(outbox.c.position)
        )
        return list((await session.scalars(statement)).all())


async def test_a_window_of_the_past_is_frozen_at_once(
    runtime: Runtime,
    database: Database,
    send: Sending,
    deliver: Delivery,
    clock: FixedClock,
) -> None:
    # given telemetry before, within and after a window, out of order
    clock.set(datetime.now(AT.tzinfo))
    numbers = [30, 10, 9, 20, 31]
    await send(
        *(an_event(n, cycle=n, protective_stop=True, grip_lost=False) for n in numbers)
    )
    await send(an_event(15, subject=uuid7()))
    await deliver()

    # when a claim asks for it
    start, end = AT + timedelta(seconds=10), AT + timedelta(seconds=30)
    request_id = await request(database, start=start, end=end)
    await deliver()

    # then both ends are in the file, by time
    (fact,) = await told(database)
    assert fact["request_id"] == str(request_id)
    assert (fact["samples"], fact["protective_stop_samples"]) == (3, 3)
    assert fact["grip_loss_samples"] == 0
    assert fact["file_key"] == f"evidence/{request_id}.ndjson.gz"
    content = await runtime.files.get(fact["file_key"])
    assert hashlib.sha256(content).hexdigest() == fact["sha256"]
    lines = [json.loads(line) for line in gzip.decompress(content).splitlines()]
    assert [line["data"]["cycle"] for line in lines] == [10, 20, 30]
    assert {line["subject"] for line in lines} == {str(ROBOT)}

    # and the sweep does it no second time
    await deliver(extract_due)
    assert len(await told(database)) == 1


async def test_telemetry_accepted_before_the_request_is_waited_for(
    runtime: Runtime,
    database: Database,
    send: Sending,
    deliver: Delivery,
    clock: FixedClock,
) -> None:
    # given telemetry that is accepted and not processed yet, and then a request for it
    await send(an_event(10))
    clock.set(datetime.now(AT.tzinfo) + timedelta(seconds=1))
    asked = EvidenceRequested(uuid7(), uuid7(), ROBOT, AT, AT + timedelta(minutes=1))
    async with database.write() as session:
        await take_request(session, asked, at=clock.now())
    # when the sweep comes by, it freezes nothing
    await extract_due.run(runtime)
    assert await told(database) == []
    # then, once the telemetry is stored, it is in the evidence
    await deliver(extract_due)
    (fact,) = await told(database)
    assert fact["samples"] == 1


async def test_a_window_that_is_not_over_waits_until_it_has_settled(
    runtime: Runtime, database: Database, deliver: Delivery, clock: FixedClock
) -> None:
    # given a window that ends in ten minutes
    now = datetime.now(AT.tzinfo)
    clock.set(now)
    end = now + timedelta(minutes=10)
    request_id = await request(database, start=now, end=end)
    await deliver(extract_due)
    assert await told(database) == []

    # when it is over, but may still have telemetry on its way
    clock.set(end + timedelta(seconds=59))
    await deliver(extract_due)
    assert await told(database) == []

    # then a minute later it is frozen, although there is nothing
    clock.set(end + timedelta(seconds=60))
    await deliver(extract_due)
    (fact,) = await told(database)
    assert (fact["request_id"], fact["samples"]) == (str(request_id), 0)
    (row,) = await rows(database, extractions)
    assert row.done_at == end + timedelta(seconds=60)


async def test_a_request_told_twice_is_answered_once(
    runtime: Runtime, database: Database, deliver: Delivery, clock: FixedClock
) -> None:
    clock.set(datetime.now(AT.tzinfo))
    asked = EvidenceRequested(uuid7(), uuid7(), ROBOT, AT, AT + timedelta(minutes=20))
    for _ in range(2):
        async with database.write() as session:
            publish(session, asked)
        await deliver(extract_due)

    assert len(await rows(database, extractions)) == 1
    assert len(await told(database)) == 1
