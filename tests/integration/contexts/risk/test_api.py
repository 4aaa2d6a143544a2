"""Risk over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from robosure.kernel.ids import uuid7
from tests.integration.contexts.risk.conftest import RobotToScore
from tests.support import ApiClient, code_of
from tests.unit.contexts.risk.factories import at, telemetry


@pytest.fixture
async def scored(robot: RobotToScore) -> RobotToScore:
    """A robot with twenty-one minutes of telemetry, and scored."""
    await robot.arrive(
        [
            robot.event(
                number,
                at(number * 10),
                telemetry(
                    protective_stop=number in {59, 60},
                    grip_lost=number == 5,
                    tool_current=None if number == 9 else 0.1,
                    joint_currents=(0.05, 6.5 if number == 7 else 0.5),
                ),
            )
            for number in range(127)
        ]
    )
    await robot.score()
    return robot


async def test_a_score_shows_all_that_made_it(
    api: ApiClient, scored: RobotToScore
) -> None:
    async with api.as_("underwriter") as client:
        response = await client.get(f"/robots/{scored.id}/risk")

    assert response.status_code == 200, response.text
    risk: dict[str, Any] = response.json()
    assert risk["robot_id"] == str(scored.id)
    assert risk["samples"] == 127
    assert risk["model_version"] == "2026.1"
    assert risk["reproduced"] is True
    exposure = risk["exposure"]
    joints = exposure.pop("joints")
    assert exposure == {
        "samples": 127,
        "incomplete_samples": 1,
        "operating_seconds": 1260.0,
        "first_sample_at": "2026-01-05T08:00:00Z",
        "last_sample_at": "2026-01-05T08:21:00Z",
        "protective_stop": {"samples": 2, "episodes": 1},
        "grip_loss": {"samples": 1, "episodes": 1},
    }
    assert joints[1] == {
        "joint": 1,
        "current": {
            "readings": 127,
            "limit": "6.0",
            "above_limit": 1,
            "p50": "0.5",
            "p95": "0.5",
            "max": "6.5",
        },
        "temperature": {
            "readings": 127,
            "limit": "60",
            "above_limit": 0,
            "p50": "36",
            "p95": "36",
            "max": "35.5",
        },
    }
    points = {factor["code"]: factor["points"] for factor in risk["factors"]}
    # 1 stop in 0.35 h is 2.857 per hour: 30 x 2.857 / 12.857
    assert points["protective_stop_rate"] == "6.67"
    assert risk["credibility"]["operating_hours"] == "0.3500"
    # 0.35 / 0.85
    assert risk["credibility"]["weight"] == "0.4118"
    assert risk["inputs"]["exposure"]["operating_us"] == 1_260_000_000


async def test_a_known_robot_without_a_score_is_not_yet_known(
    api: ApiClient, robot: RobotToScore
) -> None:
    async with api.as_("underwriter") as client:
        response = await client.get(f"/robots/{robot.id}/risk")

    assert response.status_code == 409
    assert code_of(response) == "score_not_yet_known"
    assert response.headers["Retry-After"]


@pytest.mark.parametrize("path", ["risk", "risk/history", "risk/windows"])
async def test_who_may_see_a_robots_risk(
    api: ApiClient, scored: RobotToScore, path: str
) -> None:
    url = f"/robots/{scored.id}/{path}"

    async def status(role: str, kind: str, organisation: UUID | None = None) -> int:
        async with api.as_(role, kind=kind, organisation=organisation) as client:
            return (await client.get(url)).status_code

    assert await status("support", "insurer") == 200
    assert await status("policyholder", "operator", scored.operator_id) == 200
    assert (
        await status("manufacturer_admin", "manufacturer", scored.manufacturer_id)
        == 200
    )
    assert await status("policyholder", "operator") == 404
    assert await status("policyholder", "operator", scored.manufacturer_id) == 404
    assert await status("manufacturer_admin", "manufacturer") == 404
    assert await status("device", "operator", scored.operator_id) == 403
    async with api.anonymous() as client:
        assert (await client.get(url)).status_code == 401


async def test_telemetry_alone_does_not_make_a_robot_known(
    api: ApiClient, robot: RobotToScore
) -> None:
    stranger = RobotToScore(robot.database, robot.clock, robot.runtime)
    await stranger.arrive([stranger.event(1, at(0), telemetry())])

    async with api.as_("admin") as client:
        for robot_id in (stranger.id, uuid7()):
            response = await client.get(f"/robots/{robot_id}/risk")
            assert response.status_code == 404
            assert code_of(response) == "robot_not_found"


async def test_the_history_lists_scores_from_new_to_old(
    api: ApiClient, scored: RobotToScore
) -> None:
    await scored.arrive([scored.event(500, at(2000), telemetry())])
    await scored.score()

    async with api.as_("risk_analyst") as client:
        first = (
            await client.get(f"/robots/{scored.id}/risk/history", params={"limit": 1})
        ).json()
        second = (
            await client.get(
                f"/robots/{scored.id}/risk/history",
                params={"cursor": first["next_cursor"]},
            )
        ).json()

    assert [score["samples"] for score in first["items"]] == [128]
    assert [score["samples"] for score in second["items"]] == [127]
    assert second["next_cursor"] is None


async def test_windows_can_be_charted(api: ApiClient, scored: RobotToScore) -> None:
    async with api.as_("adjuster") as client:
        whole = (await client.get(f"/robots/{scored.id}/risk/windows")).json()["items"]
        part = await client.get(
            f"/robots/{scored.id}/risk/windows",
            params={"from": "2026-01-05T08:05:00Z", "to": "2026-01-05T08:20:00Z"},
        )
        since = await client.get(
            f"/robots/{scored.id}/risk/windows",
            params={"from": "2026-01-05T09:15:00+01:00"},
        )

    assert whole[1] == {
        "starts_at": "2026-01-05T08:10:00Z",
        "ends_at": "2026-01-05T08:20:00Z",
        "samples": 60,
        "incomplete_samples": 0,
        "operating_seconds": 590.0,
        "first_sample_at": "2026-01-05T08:10:00Z",
        "last_sample_at": "2026-01-05T08:19:50Z",
        "protective_stop": {"samples": 1, "episodes": 1},
        "grip_loss": {"samples": 0, "episodes": 0},
    }
    assert [window["samples"] for window in whole] == [60, 60, 7]
    assert part.json()["items"] == whole[:2]
    assert since.json()["items"] == whole[1:]


async def test_a_robot_without_telemetry_has_no_windows(
    api: ApiClient, robot: RobotToScore
) -> None:
    async with api.as_("adjuster") as client:
        response = await client.get(f"/robots/{robot.id}/risk/windows")

    assert response.json() == {"items": []}


@pytest.mark.parametrize(
    ("since", "before"),
    [
        ("2026-01-05T08:00:00Z", "2026-01-05T08:00:00Z"),
        ("2026-01-05T08:00:00Z", "2026-01-12T08:00:01Z"),
        ("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T00:00:00Z", None),
        ("2026-01-05T08:00:00", None),
    ],
)
async def test_a_span_that_cannot_be_charted_is_refused(
    api: ApiClient, scored: RobotToScore, since: str, before: str | None
) -> None:
    parameters = {"from": since, **({"to": before} if before else {})}

    async with api.as_("adjuster") as client:
        response = await client.get(
            f"/robots/{scored.id}/risk/windows", params=parameters
        )

    assert response.status_code == 422
    assert code_of(response) in {"invalid_span", "invalid_request"}


async def test_the_scoring_models_are_open_to_read(api: ApiClient) -> None:
    async with api.as_("policyholder", kind="operator") as client:
        (model,) = (await client.get("/risk-models")).json()["items"]

    assert (model["version"], model["current"]) == ("2026.1", True)
    assert sum(factor["max_points"] for factor in model["factors"]) == 100
    assert [band["band"] for band in model["bands"]] == [
        "low",
        "moderate",
        "elevated",
        "high",
        "severe",
    ]
    assert model["multipliers"][1] == {"score": "30", "multiplier": "1.00"}
