"""Tables of the schema ``robots``, and their mapping onto the domain."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from sqlalchemy import (
    CHAR,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import composite

from robosure.contexts.robots.domain.fleet import (
    Environment,
    OrganisationKind,
    Robot,
    RobotClass,
    RobotModel,
)
from robosure.contexts.robots.domain.profile import IntegrationProfile, ProfileDocument
from robosure.kernel.money import Money
from robosure.platform.database import JsonOf, choice, metadata, registry

SCHEMA: Final = "robots"


organisations = Table(
    "organisations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", choice(OrganisationKind), nullable=False),
    schema=SCHEMA,
)

robot_models = Table(
    "robot_models",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("manufacturer_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("robot_class", choice(RobotClass), nullable=False),
    Column(
        "joint_current_limits",
        JsonOf[tuple[Decimal, ...]](tuple[Decimal, ...]),
        nullable=False,
    ),
    Column("joint_temperature_limit", Numeric(10, 4), nullable=False),
    Column("specifications", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("manufacturer_id", "name"),
    CheckConstraint("joint_temperature_limit > 0", name="temperature_limit"),
    schema=SCHEMA,
)

robots = Table(
    "robots",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("serial_number", Text, nullable=False),
    Column("model_id", Uuid, nullable=False),
    Column("manufacturer_id", Uuid, nullable=False),
    Column("operator_id", Uuid, nullable=False),
    Column("insured_value_minor", BigInteger, nullable=False),
    Column("insured_value_currency", CHAR(3), nullable=False),
    Column("commissioned_on", Date, nullable=False),
    Column("operating_environment", choice(Environment), nullable=False),
    Column("firmware", Text),
    Column("specifications", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["model_id"], [robot_models.c.id]),
    UniqueConstraint("manufacturer_id", "serial_number"),
    CheckConstraint("insured_value_minor > 0", name="insured_value"),
    Index("ix_robots_operator_id_id", "operator_id", "id"),
    Index("ix_robots_model_id", "model_id"),
    schema=SCHEMA,
)

integration_profiles = Table(
    "integration_profiles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("document", JsonOf[ProfileDocument](ProfileDocument), nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("name"),
    schema=SCHEMA,
)


def _map() -> None:
    registry.map_imperatively(
        RobotModel, robot_models, version_id_col=robot_models.c.version
    )
    registry.map_imperatively(
        Robot,
        robots,
        version_id_col=robots.c.version,
        properties={
            "insured_value": composite(
                Money, robots.c.insured_value_minor, robots.c.insured_value_currency
            )
        },
    )
    registry.map_imperatively(
        IntegrationProfile,
        integration_profiles,
        version_id_col=integration_profiles.c.version,
    )


_map()
