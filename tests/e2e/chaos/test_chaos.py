"""A campaign of five rounds: one kill of each part under load, and nothing is lost.

`run.py` beside it does the same at length, and cuts the network and fills the disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import deepcopy
from random import Random
from typing import Final

import pytest

from tests.e2e.chaos.campaign import (
    RECOVERY_SECONDS,
    VICTIMS,
    Campaign,
    Harmed,
    Report,
    killing,
)
from tests.e2e.chaos.ledger import Sent
from tests.e2e.chaos.stage import Stage, a_stage

_EVENTS: Final = 800

# The first round waits for the stack to start.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
async def campaign() -> AsyncIterator[Campaign]:
    report = Report()
    async with (
        a_stage() as stage,
        Campaign.on(
            stage, report, chance=Random(3), events_per_round=_EVENTS
        ) as campaign,
    ):
        yield campaign
    # and nothing took effect again after its round had ended
    assert report.late_findings == []


@pytest.mark.parametrize("victim", VICTIMS)
async def test_every_event_that_was_accepted_takes_effect_once_though_it_is_killed(
    campaign: Campaign, victim: str
) -> None:
    # given telemetry and registrations under way, when a part is killed
    result = await campaign.round(victim, 1, killing(victim))
    # then whoever asked was answered, or told to try again
    assert result.problems == []
    # and what was promised is there, once, soon after the part is back
    assert (result.missing, result.duplicates) == (0, 0)
    assert result.effects >= result.accepted > 0
    assert result.facts > 0
    assert result.recovery_seconds is not None
    assert result.recovery_seconds <= RECOVERY_SECONDS


async def test_the_audit_would_notice_an_event_that_is_lost_or_not_ours(
    campaign: Campaign,
) -> None:
    # given a round in which nothing is hurt and all is well
    async def nothing(_stage: Stage, _chance: Random) -> Harmed:
        return Harmed("nothing")

    result = await campaign.round("nobody", 1, nothing)
    assert result.passed, result
    ledger = deepcopy(campaign.books[-1][1])
    robot = ledger.robots[0]
    # when an event more is thought to be accepted, then it is missing
    lost = Sent(robot, "lost")
    ledger.sending([lost])
    ledger.promise([lost])
    findings = await campaign.look(ledger, result.name)
    assert (findings.missing, findings.duplicates) == (1, 0)
    # and an event of which nobody knows is odd
    ledger.accepted[robot].clear()
    ledger.possible[robot].difference_update({"lost"})
    ledger.possible[robot].pop()
    findings = await campaign.look(ledger, result.name)
    assert f"events of {robot} that nobody sent: 1, not 0" in findings.oddities
