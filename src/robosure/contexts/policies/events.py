"""What policies tells the others: which cover is in force, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from robosure.kernel.events import DomainEvent
from robosure.kernel.money import Money
from robosure.kernel.time import Term


@dataclass(frozen=True)
class InsuredRobot:
    """A machine under the policy, with the value it is insured for."""

    robot_id: UUID
    serial_number: str
    robot_class: str
    insured_value: Money


@dataclass(frozen=True)
class CoverInForce:
    """A coverage as sold: limit and deductible per occurrence."""

    code: str
    name: str
    limit: Money
    deductible: Money
    incident_types: tuple[str, ...]


@dataclass(frozen=True)
class PolicyBound(DomainEvent):
    """Cover was sold.

    Attributes:
        holder_id: the operator's organisation.
        premium: net of tax; ``total`` is premium plus tax.
        instalments: into how many payments the total is split.
        payment_method: the processor's token for the holder's means of payment.
        bound_on: the day of binding in the policy's time zone; first instalment due.
    """

    policy_id: UUID
    number: str
    insurer_id: UUID
    holder_id: UUID
    product_code: str
    product_version: int
    term: Term
    robots: tuple[InsuredRobot, ...]
    coverages: tuple[CoverInForce, ...]
    premium: Money
    tax: Money
    total: Money
    instalments: int
    payment_method: str
    bound_on: date


_ID: Final = UUID("019c8f3e-9a40-7000-8000-000000000001")

SAMPLES: Final = (
    PolicyBound(
        policy_id=_ID,
        number="POL-2026-000042",
        insurer_id=_ID,
        holder_id=_ID,
        product_code="robot-comprehensive",
        product_version=1,
        term=Term.annual(date(2026, 3, 3), "Europe/Berlin"),
        robots=(
            InsuredRobot(_ID, "UR3-20195300456", "cobot", Money(2_500_000, "EUR")),
        ),
        coverages=(
            CoverInForce(
                code="physical-damage",
                name="Physical damage",
                limit=Money(10_000_000, "EUR"),
                deductible=Money(100_000, "EUR"),
                incident_types=("collision", "drop"),
            ),
        ),
        premium=Money(49_000, "EUR"),
        tax=Money(9_310, "EUR"),
        total=Money(58_310, "EUR"),
        instalments=12,
        payment_method="tok_ok",
        bound_on=date(2026, 3, 2),
    ),
)
"""One of each kind, as the catalogue of event types shows it."""
