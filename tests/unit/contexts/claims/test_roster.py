"""Who takes a claim: skill, then load, then the longest wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.claims.domain.roster import Adjuster, Workload, choose_adjuster
from robosure.contexts.identity.events import UserChanged, UserRegistered
from robosure.kernel.ids import uuid7
from tests.unit.contexts.claims.factories import NOON, an_adjuster


def chosen(*workloads: Workload) -> Adjuster | None:
    return choose_adjuster(workloads, robot_class="cobot", incident_type="collision")


@pytest.mark.parametrize("skill", ["cobot", "collision"])
def test_a_specialist_of_class_or_incident_comes_before_an_idle_generalist(
    skill: str,
) -> None:
    specialist = an_adjuster(skills=("drone", skill))
    assert chosen(Workload(an_adjuster(), 0), Workload(specialist, 9)) is specialist


def test_a_generalist_takes_what_no_specialist_knows() -> None:
    generalist = an_adjuster()
    other = an_adjuster(skills=("drone",))
    assert chosen(Workload(other, 0), Workload(generalist, 9)) is generalist


def test_the_fewest_open_claims_decide() -> None:
    busy, free = an_adjuster(), an_adjuster(last_assigned_at=NOON)
    assert chosen(Workload(busy, 2), Workload(free, 1)) is free


def test_ties_go_to_the_longest_since_the_last_assignment() -> None:
    recent = an_adjuster(last_assigned_at=NOON)
    earlier = an_adjuster(last_assigned_at=NOON - timedelta(hours=1))
    never = an_adjuster()
    assert chosen(Workload(recent, 1), Workload(earlier, 1)) is earlier
    assert chosen(Workload(earlier, 1), Workload(never, 1)) is never


def test_nobody_is_chosen_where_nobody_is_available() -> None:
    absent = an_adjuster(active=False)
    other = an_adjuster(skills=("drone",))
    assert chosen() is None
    assert chosen(Workload(absent, 0), Workload(other, 0)) is None


@given(claims=st.integers(1, 40), adjusters=st.integers(1, 6))
def test_handed_out_one_by_one_no_load_differs_by_more_than_one(
    claims: int, adjusters: int
) -> None:
    roster = [an_adjuster() for _ in range(adjusters)]
    load = dict.fromkeys((a.user_id for a in roster), 0)
    for number in range(claims):
        taker = chosen(*(Workload(a, load[a.user_id]) for a in roster))
        assert taker is not None
        load[taker.user_id] += 1
        taker.last_assigned_at = NOON + timedelta(minutes=number)
    assert max(load.values()) - min(load.values()) <= 1


def test_only_active_users_in_the_role_are_on_the_roster() -> None:
    joined = UserRegistered(
        user_id=uuid7(),
        organisation_id=uuid7(),
        email="grace@example.com",
        name="Grace Hopper",
        roles=("support", "adjuster"),
        skills=("cobot",),
    )
    adjuster = Adjuster.of(joined)
    assert adjuster is not None
    assert (adjuster.user_id, adjuster.organisation_id, adjuster.name) == (
        joined.user_id,
        joined.organisation_id,
        "Grace Hopper",
    )
    assert (adjuster.skills, adjuster.active) == (("cobot",), True)
    assert Adjuster.of(replace(joined, roles=("support",))) is None
    changed = UserChanged(**vars(joined), active=True)
    assert Adjuster.of(changed) is not None
    assert Adjuster.of(replace(changed, active=False)) is None
