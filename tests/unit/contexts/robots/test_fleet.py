from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from robosure.contexts.robots.domain.fleet import (
    Environment,
    Organisation,
    OrganisationKind,
    Robot,
    RobotClass,
    RobotModel,
    Viewer,
    known_as,
)
from robosure.contexts.robots.events import (
    ModelRegistered,
    RobotChanged,
    RobotRegistered,
)
from robosure.kernel.errors import Forbidden, Invalid, NotFound, NotYetKnown
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money

MAKER = Organisation(uuid7(), "Northern Arms", OrganisationKind.MANUFACTURER)
OPERATOR = Organisation(uuid7(), "Fjord Assembly", OrganisationKind.OPERATOR)
INSURER = uuid7()


def a_model(
    *,
    limits: tuple[Decimal, ...] = (Decimal(6), Decimal("2.5")),
    temperature: Decimal = Decimal(70),
) -> RobotModel:
    return RobotModel.register(
        manufacturer=MAKER,
        name="UR3",
        robot_class=RobotClass.COBOT,
        joint_current_limits=limits,
        joint_temperature_limit=temperature,
        specifications={"reach_mm": 500},
    )


def a_robot(*, value: str = "25000.00") -> Robot:
    return Robot.register(
        model=a_model(),
        operator=OPERATOR,
        serial_number="20223501234",
        insured_value=Money.of(value, "EUR"),
        commissioned_on=date(2022, 3, 1),
        operating_environment=Environment.FACTORY,
        firmware="5.12",
        specifications={},
    )


def test_registering_a_model_tells_its_limits() -> None:
    model = a_model()

    assert model.pending_events == [
        ModelRegistered(
            model_id=model.id,
            manufacturer_id=MAKER.id,
            name="UR3",
            robot_class="cobot",
            joint_current_limits=(Decimal(6), Decimal("2.5")),
            joint_temperature_limit=Decimal(70),
        )
    ]
    assert model.specifications == {"reach_mm": 500}


@pytest.mark.parametrize(
    ("limits", "temperature"),
    [((Decimal(0),), Decimal(70)), ((), Decimal(0)), ((), Decimal(-1))],
)
def test_a_limit_is_above_zero(
    limits: tuple[Decimal, ...], temperature: Decimal
) -> None:
    with pytest.raises(Invalid, match="limit not positive"):
        a_model(limits=limits, temperature=temperature)


def test_registering_a_robot_tells_what_others_need_to_know() -> None:
    robot = a_robot()

    assert robot.pending_events == [
        RobotRegistered(
            robot_id=robot.id,
            serial_number="20223501234",
            model_id=robot.model_id,
            manufacturer_id=MAKER.id,
            operator_id=OPERATOR.id,
            robot_class="cobot",
            insured_value=Money(2_500_000, "EUR"),
            commissioned_on=date(2022, 3, 1),
            operating_environment="factory",
        )
    ]


@pytest.mark.parametrize("value", ["0.00", "-1.00"])
def test_a_robot_is_worth_something(value: str) -> None:
    with pytest.raises(Invalid, match="insured value not positive"):
        a_robot(value=value)


def test_a_change_is_told_and_what_is_not_named_stays() -> None:
    robot = a_robot()
    robot.collect_events()

    robot.change(firmware="5.13")
    robot.change(environment=Environment.OUTDOOR)

    assert robot.pending_events == [
        RobotChanged(robot.id, "5.13", "factory"),
        RobotChanged(robot.id, "5.13", "outdoor"),
    ]


def test_a_change_to_what_is_so_already_tells_nothing() -> None:
    robot = a_robot()
    robot.collect_events()

    robot.change(firmware="5.12", environment=Environment.FACTORY)
    robot.change()

    assert robot.pending_events == []


def test_an_organisation_is_known_in_its_kind() -> None:
    assert known_as(MAKER, OrganisationKind.MANUFACTURER, MAKER.id) is MAKER


def test_an_organisation_nothing_was_told_of_is_not_yet_known() -> None:
    with pytest.raises(NotYetKnown, match="organisation not yet known"):
        known_as(None, OrganisationKind.MANUFACTURER, uuid7())


def test_an_organisation_of_another_kind_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        known_as(OPERATOR, OrganisationKind.MANUFACTURER, OPERATOR.id)
    assert refused.value.details["actual"] == "operator"


@pytest.mark.parametrize(
    ("organisation_id", "kind", "seen"),
    [
        (INSURER, OrganisationKind.INSURER, True),
        (OPERATOR.id, OrganisationKind.OPERATOR, True),
        (MAKER.id, OrganisationKind.MANUFACTURER, True),
        (uuid7(), OrganisationKind.OPERATOR, False),
        (uuid7(), OrganisationKind.MANUFACTURER, False),
    ],
)
def test_a_robot_is_seen_by_its_operator_its_maker_and_insurers(
    organisation_id: UUID, kind: OrganisationKind, seen: bool
) -> None:
    viewer = Viewer(organisation_id, kind)
    robot = a_robot()

    assert viewer.sees(robot) is seen
    if seen:
        viewer.require_sight(robot)
    else:
        with pytest.raises(NotFound):
            viewer.require_sight(robot)


def test_one_acts_for_the_own_organisation_and_an_insurer_for_any() -> None:
    Viewer(OPERATOR.id, OrganisationKind.OPERATOR).require_standing(OPERATOR.id)
    Viewer(INSURER, OrganisationKind.INSURER).require_standing(OPERATOR.id)

    with pytest.raises(Forbidden, match="acts for another organisation"):
        Viewer(MAKER.id, OrganisationKind.MANUFACTURER).require_standing(OPERATOR.id)


def test_a_key_bound_to_a_robot_speaks_for_that_one_only() -> None:
    robot_id = uuid7()
    bound = Viewer(OPERATOR.id, OrganisationKind.OPERATOR, robot_id)

    bound.require_voice(robot_id)
    Viewer(OPERATOR.id, OrganisationKind.OPERATOR).require_voice(robot_id)
    with pytest.raises(Forbidden, match="bound to another robot"):
        bound.require_voice(uuid7())
