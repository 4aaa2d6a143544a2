"""Shortcuts to what payments did, as rows and over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Table, select

from robosure.contexts.payments.jobs import charge_due, pay_due
from robosure.contexts.payments.service import PaymentService
from robosure.kernel.ids import uuid7
from robosure.platform.runtime import Runtime
from tests.support import FixedClock
from tests.unit.contexts.payments.factories import (
    NOON,
    payout_requested,
    policy_bound,
)

Rows = Callable[[Table], Awaitable[list[Any]]]
Start = Callable[..., Awaitable[str]]


@pytest.fixture
def rows(runtime: Runtime) -> Rows:
    """Read every row of a table, in order of its primary key."""

    async def read(table: Table) -> list[Any]:
        async with runtime.database.read() as session:
            ordered = select(table).order_by(*table.primary_key.columns)
            return list((await session.execute(ordered)).all())

    return read


@pytest.fixture
def planned(runtime: Runtime, clock: FixedClock) -> Start:
    """Plan a policy's instalments; return the first one's id. Nothing is asked yet."""

    async def plan(**changes: Any) -> str:
        number = f"POL-2026-{uuid7().int % 1_000_000:06d}"
        bound = policy_bound(**{"number": number, **changes})
        async with runtime.database.write() as session:
            instalments = await PaymentService.on(session).plan(bound, at=NOON)
            return str(instalments[0].id)

    return plan


@pytest.fixture
def requested(runtime: Runtime, clock: FixedClock) -> Start:
    """Request a payout; return its id. Nothing is asked yet."""

    async def request(**changes: Any) -> str:
        requested = payout_requested(**changes)
        async with runtime.database.write() as session:
            PaymentService.on(session).request_payout(requested, at=NOON)
        return str(requested.payout_id)

    return request


@pytest.fixture
def charge(runtime: Runtime) -> Callable[..., Awaitable[None]]:
    async def run(*ids: str) -> None:
        await charge_due.run(runtime, *ids)

    return run


@pytest.fixture
def pay(runtime: Runtime) -> Callable[..., Awaitable[None]]:
    async def run(*ids: str) -> None:
        await pay_due.run(runtime, *ids)

    return run
