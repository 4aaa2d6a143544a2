"""The aggregate: approvals at the same time never pay more than it holds."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from robosure.contexts.claims.repository import SqlCovers
from robosure.contexts.claims.tables import aggregates
from robosure.kernel.errors import Invalid, InvalidState
from tests.integration.contexts.claims.conftest import Scene
from tests.unit.contexts.claims.factories import coverage, eur

LIMIT = 1_200_000


async def used(scene: Scene) -> int:
    async with scene.database.read() as session:
        statement = select(aggregates.c.used_minor).where(
            aggregates.c.limit_minor == LIMIT
        )
        return int((await session.execute(statement)).scalar_one())


async def test_two_approvals_at_once_never_exceed_the_aggregate(scene: Scene) -> None:
    # given a limit of 12,000 and two claims assessed at 8,500 each
    scene.number = "POL-2026-000070"
    await scene.bind(coverages=(coverage(limit=eur("12000.00")),))
    claims = [await scene.assessed(), await scene.assessed()]
    # when both are approved at the same time
    answers = await asyncio.gather(
        *(scene.admin.post(f"/claims/{claim_id}/approve") for claim_id in claims)
    )
    # then one is paid in full and the other what is left
    assert [answer.status_code for answer in answers] == [200, 200]
    settled = [
        (await scene.claim(claim_id))["settlement"]["amount"]["minor"]
        for claim_id in claims
    ]
    assert sorted(settled) == [350000, 850000]
    assert await used(scene) == LIMIT
    # and a third one gets nothing
    third = await scene.assessed()
    await scene.admin.post(f"/claims/{third}/approve")
    claim = await scene.claim(third)
    assert claim["status"] == "closed_without_payment"
    assert claim["settlement"]["steps"][-1]["name"] == "aggregate_limit"
    assert await used(scene) == LIMIT


async def test_more_than_is_left_cannot_be_drawn(scene: Scene) -> None:
    scene.number = "POL-2026-000071"
    await scene.bind(coverages=(coverage(limit=eur("12000.00")),))
    async with scene.database.write() as session:
        covers = SqlCovers(session)
        cover = await covers.get(scene.number)
        with pytest.raises(InvalidState, match="aggregate exhausted"):
            await covers.draw(cover, "physical-damage", eur("12000.01"))
    assert await used(scene) == 0


async def test_a_coverage_the_policy_lacks_has_no_aggregate(scene: Scene) -> None:
    async with scene.database.write() as session:
        covers = SqlCovers(session)
        cover = await covers.get(scene.number)
        left = await covers.remaining(cover, "physical-damage", lock=False)
        assert left == eur("50000.00")
        with pytest.raises(Invalid, match="coverage does not respond"):
            await covers.remaining(cover, "cyber", lock=True)
