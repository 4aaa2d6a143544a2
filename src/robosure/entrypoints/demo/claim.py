"""The demo's claim: filed where telemetry looks worst, and settled until it is paid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from robosure.entrypoints.client.api import until
from robosure.entrypoints.demo.cast import Cast

_LOSS_MINOR: Final = 1_250_000
_LOOK_BACK: Final = timedelta(days=6)
"""How far back the worst moment is looked for."""


async def file_claim(
    cast: Cast, policy: dict[str, Any], robot_id: UUID
) -> dict[str, Any]:
    """Report a loss, and return the claim once it has its evidence and an adjuster."""
    claim_id = await _report_loss(cast, policy, robot_id)
    return await until(
        "the evidence and an adjuster",
        _reading(cast, claim_id),
        lambda seen: (
            seen["evidence_status"] == "attached" and seen["adjuster"] is not None
        ),
    )


async def settle_claim(cast: Cast, claim: dict[str, Any]) -> dict[str, Any]:
    """Assess and approve a claim, and return it with its timeline once it is paid."""
    path = f"/claims/{claim['id']}"
    # Adjusters are chosen by skill and load; in a demo run it may be an earlier
    # run's, whose password is gone. The administrator hands it to ours.
    me = await cast.adjuster.get("/auth/me")
    if str(claim["adjuster"]["id"]) != me["subject"]:
        await cast.admin.post(f"{path}/assign", {"adjuster_id": me["subject"]})
    await cast.adjuster.post(
        f"{path}/assessment",
        {
            "coverage_code": "physical-damage",
            "basis": "replacement_cost",
            "loss_value": {"minor": _LOSS_MINOR, "currency": "EUR"},
            "notes": "Wrist joint and gripper damaged after repeated stops.",
        },
    )
    await cast.admin.post(f"{path}/approve", {})
    paid = await until(
        "the payout",
        _reading(cast, claim["id"]),
        lambda seen: seen["status"] == "paid",
    )
    timeline = await cast.admin.get(f"{path}/timeline")
    return {**paid, "timeline": timeline["items"]}


def _reading(cast: Cast, claim_id: str) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def read() -> dict[str, Any]:
        answer: dict[str, Any] = await cast.admin.get(f"/claims/{claim_id}")
        return answer

    return read


async def _report_loss(cast: Cast, policy: dict[str, Any], robot_id: UUID) -> str:
    document = {
        "policy_number": policy["number"],
        "robot_id": str(robot_id),
        "incident_at": (await _worst_moment(cast, robot_id)).isoformat(),
        "incident_type": "protective_stop",
        "description": "The arm stopped again and again and dropped its part.",
        "estimated_loss": {"minor": _LOSS_MINOR, "currency": "EUR"},
        "contact": {"name": "Demo policyholder"},
    }
    # Claims hears of a policy a moment after it is bound.
    claim = await cast.holder.post("/claims", document, until_not="policy_not_found")
    return str(claim["id"])


async def _worst_moment(cast: Cast, robot_id: UUID) -> datetime:
    """Return the middle of the ten minutes with the most protective stops."""
    exposure = (await cast.admin.get(f"/robots/{robot_id}/risk"))["exposure"]
    last = datetime.fromisoformat(exposure["last_sample_at"])
    span = {
        "from": max(
            datetime.fromisoformat(exposure["first_sample_at"]), last - _LOOK_BACK
        ).isoformat(),
        "to": (last + timedelta(seconds=1)).isoformat(),
    }
    windows: Iterable[dict[str, Any]] = (
        await cast.admin.get(f"/robots/{robot_id}/risk/windows", **span)
    )["items"]
    worst = max(windows, key=lambda each: int(each["protective_stop"]["samples"]))
    starts = datetime.fromisoformat(worst["starts_at"]).astimezone(UTC)
    return starts + timedelta(minutes=5)
