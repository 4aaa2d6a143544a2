"""What policies answers over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import ConfigDict, Field

from robosure.contexts.policies.domain.policy import PolicyStatus, TransactionKind
from robosure.contexts.policies.domain.quote import QuoteStatus
from robosure.contexts.policies.schemas.examples import (
    COVER,
    EXAMPLE_ID,
    NOON,
    PRICE,
    PRODUCT,
    ROBOT,
    TERM,
    eur,
)
from robosure.platform.http import MoneyModel, OutputModel


class ProductRef(OutputModel):
    """A version of a product."""

    code: str
    version: int


class TermOut(OutputModel):
    """Days of cover, from midnight to midnight in one time zone."""

    inception: date = Field(description="First day with cover.")
    expiry: date = Field(description="First day without.")
    time_zone: str


class RatingFactorOut(OutputModel):
    """One thing that moved the price."""

    code: str
    name: str
    value: str
    band: str
    relativity: Decimal = Field(description="The premium is multiplied by it.")


class InsuredRobotOut(OutputModel):
    """A machine under the policy."""

    robot_id: UUID
    serial_number: str
    robot_class: str
    insured_value: MoneyModel


class RatedRobotOut(InsuredRobotOut):
    """A robot with its share of the premium, and what moved it."""

    premium: MoneyModel
    factors: list[RatingFactorOut]


class CoverOut(OutputModel):
    """A coverage with its limit and deductible per occurrence."""

    code: str
    name: str
    limit: MoneyModel
    deductible: MoneyModel


class RatedCoverOut(CoverOut):
    """A coverage with its share of the premium, and what moved it."""

    base_rate: Decimal = Field(description="Annual, as a share of the exposure.")
    exposure: str = Field(description="`insured_value` or `limit`, of each robot.")
    factors: list[RatingFactorOut]
    premium: MoneyModel


class TaxOut(OutputModel):
    """A tax or levy on the premium."""

    name: str
    rate: Decimal
    amount: MoneyModel


class InstalmentsOut(OutputModel):
    """How the total is split; the amounts sum to it."""

    count: int
    amounts: list[MoneyModel]


class QuoteOut(OutputModel):
    """A price, explained: every column sums exactly."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": EXAMPLE_ID,
                    "version": 1,
                    "status": "open",
                    "insurer_id": EXAMPLE_ID,
                    "holder_id": EXAMPLE_ID,
                    "created_at": NOON,
                    "valid_until": "2026-04-01T12:00:00Z",
                    "policy_id": None,
                    "product": PRODUCT,
                    "jurisdiction": "DE",
                    "term": TERM,
                    "robots": [
                        {
                            **ROBOT,
                            "premium": eur(49_000),
                            "factors": [
                                {
                                    "code": "telemetry",
                                    "name": "Risk score from telemetry",
                                    "value": "31.4",
                                    "band": "moderate",
                                    "relativity": "0.94",
                                }
                            ],
                        }
                    ],
                    "coverages": [
                        {
                            **COVER,
                            "base_rate": "0.018",
                            "exposure": "insured_value",
                            "factors": [],
                            "premium": eur(49_000),
                        }
                    ],
                    "days": 365,
                    "days_in_year": 365,
                    "policy_fee": eur(2_500),
                    "minimum_premium": eur(25_000),
                    "premium_without_telemetry": eur(51_968),
                    **PRICE,
                    "instalments": {"count": 1, "amounts": [eur(58_310)]},
                }
            ]
        }
    )

    id: UUID
    version: int = Field(description="Of the quote; the ETag.")
    status: QuoteStatus
    insurer_id: UUID
    holder_id: UUID
    created_at: datetime
    valid_until: datetime = Field(description="From then on it cannot be bound.")
    policy_id: UUID | None = Field(description="What it became when it was bound.")
    product: ProductRef
    jurisdiction: str
    term: TermOut
    robots: list[RatedRobotOut]
    coverages: list[RatedCoverOut]
    days: int = Field(description="Of the term, for which annual rates are charged.")
    days_in_year: int = Field(description="Out of so many.")
    policy_fee: MoneyModel = Field(description="Contained in the premium.")
    minimum_premium: MoneyModel
    premium: MoneyModel = Field(description="Net of tax.")
    premium_without_telemetry: MoneyModel = Field(
        description="What it would be if no robot had a score."
    )
    taxes: list[TaxOut]
    tax: MoneyModel
    total: MoneyModel
    instalments: InstalmentsOut


class QuoteSummary(OutputModel):
    """A quote in a list."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": EXAMPLE_ID,
                    "status": "open",
                    "holder_id": EXAMPLE_ID,
                    "valid_until": "2026-04-01T12:00:00Z",
                    "policy_id": None,
                    "product": PRODUCT,
                    "term": TERM,
                    "total": eur(58_310),
                }
            ]
        }
    )

    id: UUID
    status: QuoteStatus
    holder_id: UUID
    valid_until: datetime
    policy_id: UUID | None
    product: ProductRef
    term: TermOut
    total: MoneyModel


class PolicySummary(OutputModel):
    """A policy in a list."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": EXAMPLE_ID,
                    "number": "POL-2026-000042",
                    "status": "in_force",
                    "holder_id": EXAMPLE_ID,
                    "product": PRODUCT,
                    "term": TERM,
                    "total": eur(58_310),
                }
            ]
        }
    )

    id: UUID
    number: str
    status: PolicyStatus = Field(description="Today, in the policy's time zone.")
    holder_id: UUID
    product: ProductRef
    term: TermOut
    total: MoneyModel


class PolicyOut(PolicySummary):
    """A policy: what is covered, and what it costs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": EXAMPLE_ID,
                    "version": 1,
                    "number": "POL-2026-000042",
                    "status": "in_force",
                    "insurer_id": EXAMPLE_ID,
                    "holder_id": EXAMPLE_ID,
                    "quote_id": EXAMPLE_ID,
                    "bound_at": NOON,
                    "product": PRODUCT,
                    "jurisdiction": "DE",
                    "term": TERM,
                    "robots": [ROBOT],
                    "coverages": [COVER],
                    **PRICE,
                    "instalments": 12,
                }
            ]
        }
    )

    version: int = Field(description="Of the policy; the ETag.")
    insurer_id: UUID
    quote_id: UUID
    bound_at: datetime
    jurisdiction: str
    robots: list[InsuredRobotOut]
    coverages: list[CoverOut]
    premium: MoneyModel = Field(description="Written, net of tax.")
    taxes: list[TaxOut]
    tax: MoneyModel
    instalments: int = Field(description="Into how many payments the total is split.")


class SegmentOut(OutputModel):
    """A span of cover on one set of terms at one price, net of tax."""

    span: TermOut
    robots: list[InsuredRobotOut]
    coverages: list[CoverOut]
    premium: MoneyModel


class TransactionOut(OutputModel):
    """One entry of a policy's history; it never changes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": EXAMPLE_ID,
                    "sequence": 1,
                    "kind": "new_business",
                    "effective_on": "2026-03-03",
                    "issued_at": NOON,
                    "premium": eur(49_000),
                    "tax": eur(9_310),
                    "segments": [
                        {
                            "span": TERM,
                            "robots": [ROBOT],
                            "coverages": [COVER],
                            "premium": eur(49_000),
                        }
                    ],
                }
            ]
        }
    )

    id: UUID
    sequence: int = Field(description="1 for the first.")
    kind: TransactionKind
    effective_on: date = Field(description="First day on which it holds.")
    issued_at: datetime = Field(description="When it was known.")
    premium: MoneyModel = Field(description="By how much it changes what is written.")
    tax: MoneyModel
    segments: list[SegmentOut] = Field(description="All cover, as it is after this.")
