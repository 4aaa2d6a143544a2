"""Who gets a claim, also when many come at once and when nobody is there."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

from robosure.contexts.claims.jobs import assign_waiting
from robosure.contexts.claims.repository import SqlRoster
from robosure.contexts.identity.events import UserChanged
from robosure.kernel.ids import uuid7
from tests.integration.contexts.claims.conftest import Scene
from tests.support import code_of
from tests.unit.contexts.claims.factories import an_adjuster


def changed(
    scene: Scene,
    user_id: UUID,
    *,
    active: bool = True,
    roles: tuple[str, ...] = ("adjuster",),
    skills: tuple[str, ...] = (),
) -> UserChanged:
    return UserChanged(
        user_id=user_id,
        organisation_id=scene.insurer_id,
        email="grace@example.com",
        name="Grace Hopper",
        roles=roles,
        skills=skills,
        active=active,
    )


async def adjuster_of(scene: Scene, claim_id: str) -> UUID | None:
    adjuster = (await scene.claim(claim_id))["adjuster"]
    return None if adjuster is None else UUID(adjuster["id"])


async def test_claims_reported_at_once_are_shared_evenly(unstaffed: Scene) -> None:
    # given three adjusters
    scene = unstaffed
    for _ in range(3):
        await scene.hire()
    # when nine losses are reported at the same time
    reported = await asyncio.gather(*(scene.report() for _ in range(9)))
    # then each has three of them
    load = Counter([await adjuster_of(scene, claim_id) for claim_id in reported])
    assert sorted(load.values()) == [3, 3, 3]
    numbers = {(await scene.claim(claim_id))["number"] for claim_id in reported}
    assert len(numbers) == 9


async def test_a_specialist_comes_before_a_generalist(scene: Scene) -> None:
    specialist = await scene.hire("cobot")
    await scene.hire("drone")
    first, second = await scene.report(), await scene.report()
    assert await adjuster_of(scene, first) == specialist
    assert await adjuster_of(scene, second) == specialist


async def test_a_closed_claim_is_no_load(scene: Scene) -> None:
    await scene.hire()
    first = await scene.report()
    taker = await adjuster_of(scene, first)
    second = await scene.report()
    assert await adjuster_of(scene, second) != taker
    await scene.admin.post(f"/claims/{first}/decline", json={"reason": "no"})
    assert await adjuster_of(scene, await scene.report()) == taker


async def test_a_claim_waits_until_an_adjuster_joins(unstaffed: Scene) -> None:
    # given two claims nobody can take
    scene = unstaffed
    first, second = await scene.report(), await scene.report()
    waiting = await scene.claim(first)
    assert (waiting["status"], waiting["adjuster"]) == ("reported", None)
    # when an adjuster joins
    joined = await scene.hire()
    # then both are theirs
    for claim_id in (first, second):
        assert await adjuster_of(scene, claim_id) == joined
        assert (await scene.claim(claim_id))["status"] == "assigned"
    timeline = await scene.admin.get(f"/claims/{first}/timeline")
    whats = [entry["what"] for entry in reversed(timeline.json()["items"])]
    assert whats.index("assignment_waiting") < whats.index("assigned")


async def test_the_sweep_assigns_what_waits_and_passes_over_what_cannot_be(
    unstaffed: Scene,
) -> None:
    # given a drone specialist, and a claim about a cobot before one about fire
    scene = unstaffed
    await scene.hire("drone")
    stuck = await scene.report()
    burnt = await scene.report(incident_type="fire")
    async with scene.database.write() as session:
        # when somebody who knows fire is on the roster, though no fact has told so
        firefighter = an_adjuster(scene.insurer_id, skills=("fire",))
        await SqlRoster(session).put(firefighter)
    await scene.deliver(assign_waiting)
    # then the second is taken, and the first waits on
    assert await adjuster_of(scene, burnt) == firefighter.user_id
    assert await adjuster_of(scene, stuck) is None


async def test_who_leaves_or_changes_role_gets_no_more_claims(scene: Scene) -> None:
    leaver = await adjuster_of(scene, await scene.report())
    assert leaver is not None
    await scene.tell(changed(scene, leaver, active=False))
    assert await adjuster_of(scene, await scene.report()) is None
    await scene.tell(changed(scene, leaver, skills=("cobot",)))
    assert await adjuster_of(scene, await scene.report()) == leaver
    await scene.tell(changed(scene, leaver, roles=("support",)))
    assert await adjuster_of(scene, await scene.report()) is None


async def test_an_admin_gives_a_claim_to_somebody_else(scene: Scene) -> None:
    claim_id = await scene.report()
    other = await scene.hire("drone", name="Katherine Johnson")
    body = {"adjuster_id": str(other)}
    answer = await scene.admin.post(f"/claims/{claim_id}/assign", json=body)
    assert answer.status_code == 200
    assert (await scene.claim(claim_id))["adjuster"]["name"] == "Katherine Johnson"


async def test_a_claim_goes_only_to_adjusters_of_the_insurer(scene: Scene) -> None:
    claim_id = await scene.report()
    adjuster = await adjuster_of(scene, claim_id)
    unknown = await scene.admin.post(
        f"/claims/{claim_id}/assign", json={"adjuster_id": str(uuid7())}
    )
    assert unknown.status_code == 404
    assert code_of(unknown) == "adjuster_not_found"
    absent = await scene.hire()
    await scene.tell(changed(scene, absent, active=False))
    refused = await scene.admin.post(
        f"/claims/{claim_id}/assign", json={"adjuster_id": str(absent)}
    )
    assert refused.status_code == 409
    assert code_of(refused) == "adjuster_unavailable"
    assert await adjuster_of(scene, claim_id) == adjuster
    by_adjuster = await scene.staff("adjuster").post(
        f"/claims/{claim_id}/assign", json={"adjuster_id": str(absent)}
    )
    assert by_adjuster.status_code == 403
