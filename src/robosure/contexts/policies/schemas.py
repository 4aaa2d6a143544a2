"""What policies takes in and gives out over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from robosure.contexts.policies.domain.coverages import CoverageChoice
from robosure.contexts.policies.domain.policy import PolicyStatus, TransactionKind
from robosure.contexts.policies.domain.quote import QuoteStatus, Request
from robosure.kernel.time import Term
from robosure.platform.http import InputModel, MoneyModel, OutputModel

MOST_ROBOTS: Final = 1000
_FIRST_DAY: Final = date(2000, 1, 1)
_LAST_DAY: Final = date(2100, 1, 1)


def _within_reach(day: date) -> date:
    """Refuse days at which calendars and time zones are anyone's guess."""
    if not _FIRST_DAY <= day < _LAST_DAY:
        message = f"must be from {_FIRST_DAY} to before {_LAST_DAY}"
        raise ValueError(message)
    return day


Day = Annotated[date, AfterValidator(_within_reach)]
Code = Annotated[str, StringConstraints(pattern="^[a-z0-9-]{1,64}$")]

_ID: Final = "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b05"
_NOON: Final = "2026-03-02T12:00:00Z"


def _eur(minor: int) -> JsonDict:
    return {"minor": minor, "currency": "EUR"}


_PRODUCT: Final[JsonDict] = {"code": "robot-comprehensive", "version": 1}
_TERM: Final[JsonDict] = {
    "inception": "2026-03-03",
    "expiry": "2027-03-03",
    "time_zone": "Europe/Berlin",
}
_ROBOT: Final[JsonDict] = {
    "robot_id": _ID,
    "serial_number": "UR3-20195300456",
    "robot_class": "cobot",
    "insured_value": _eur(2_500_000),
}
_COVER: Final[JsonDict] = {
    "code": "physical-damage",
    "name": "Physical damage",
    "limit": _eur(10_000_000),
    "deductible": _eur(100_000),
}
_PRICE: Final[JsonDict] = {
    "premium": _eur(49_000),
    "taxes": [{"name": "Versicherungsteuer", "rate": "0.19", "amount": _eur(9_310)}],
    "tax": _eur(9_310),
    "total": _eur(58_310),
}


class TermIn(InputModel):
    """Days of cover, from midnight to midnight in one time zone."""

    inception: Day = Field(description="First day with cover.")
    expiry: Day | None = Field(
        default=None, description="First day without; a year of cover if left out."
    )
    time_zone: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_+/-]{1,64}$")] = (
        Field(default="UTC", description="IANA name of the zone whose midnights count.")
    )

    def to_term(self) -> Term:
        """Return the domain's value.

        Raises:
            Invalid: the term is empty, or the time zone unknown.
        """
        if self.expiry is None:
            return Term.annual(self.inception, self.time_zone)
        return Term(self.inception, self.expiry, self.time_zone)


class CoverageChoiceIn(InputModel):
    """A coverage to include; an option left out is the product's default."""

    code: Code
    limit: MoneyModel | None = Field(default=None, description="Per occurrence.")
    deductible: MoneyModel | None = Field(default=None, description="Per occurrence.")

    def to_choice(self) -> CoverageChoice:
        """Return the domain's value."""
        return CoverageChoice(
            self.code,
            self.limit.to_money() if self.limit else None,
            self.deductible.to_money() if self.deductible else None,
        )


class QuoteIn(InputModel):
    """What a holder wants insured."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "holder_id": _ID,
                    "product_code": "robot-comprehensive",
                    "robot_ids": [_ID],
                    "term": _TERM,
                    "jurisdiction": "DE",
                    "coverages": [
                        {"code": "physical-damage", "deductible": _eur(50_000)},
                        {"code": "third-party-liability"},
                    ],
                    "instalments": 12,
                }
            ]
        }
    )

    holder_id: UUID = Field(description="The operator whose robots they are.")
    product_code: Code
    product_version: Annotated[int, Field(ge=1, lt=2**31)] | None = Field(
        default=None, description="The one sold today if left out."
    )
    robot_ids: list[UUID] = Field(max_length=MOST_ROBOTS)
    term: TermIn
    jurisdiction: Annotated[
        str, StringConstraints(pattern="^[A-Z]{2}(-[A-Z0-9]{1,3})?$")
    ] = Field(description="ISO 3166-1 alpha-2 or 3166-2; whose taxes are charged.")
    coverages: list[CoverageChoiceIn] = Field(max_length=100)
    instalments: int = Field(default=1, description="Payments in the term.")

    def to_request(self) -> Request:
        """Return the domain's value.

        Raises:
            Invalid: the term is empty, or its time zone unknown.
        """
        return Request(
            holder_id=self.holder_id,
            term=self.term.to_term(),
            jurisdiction=self.jurisdiction,
            coverages=tuple(coverage.to_choice() for coverage in self.coverages),
            instalments=self.instalments,
        )


class BindIn(InputModel):
    """How the holder will pay."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"payment_method": "tok_ok"}]}
    )

    payment_method: Annotated[
        str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")
    ] = Field(description="The payment processor's token for it.")


class ProductRef(OutputModel):
    """A version of a product."""

    code: str
    version: int


class TermOut(OutputModel):
    """Days of cover, from midnight to midnight in one time zone."""

    inception: date = Field(description="First day with cover.")
    expiry: date = Field(description="First day without.")
    time_zone: str


class FactorOut(OutputModel):
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
    factors: list[FactorOut]


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
    factors: list[FactorOut]
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
                    "id": _ID,
                    "version": 1,
                    "status": "open",
                    "insurer_id": _ID,
                    "holder_id": _ID,
                    "created_at": _NOON,
                    "valid_until": "2026-04-01T12:00:00Z",
                    "policy_id": None,
                    "product": _PRODUCT,
                    "jurisdiction": "DE",
                    "term": _TERM,
                    "robots": [
                        {
                            **_ROBOT,
                            "premium": _eur(49_000),
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
                            **_COVER,
                            "base_rate": "0.018",
                            "exposure": "insured_value",
                            "factors": [],
                            "premium": _eur(49_000),
                        }
                    ],
                    "days": 365,
                    "days_in_year": 365,
                    "policy_fee": _eur(2_500),
                    "minimum_premium": _eur(25_000),
                    "premium_without_telemetry": _eur(51_968),
                    **_PRICE,
                    "instalments": {"count": 1, "amounts": [_eur(58_310)]},
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
                    "id": _ID,
                    "status": "open",
                    "holder_id": _ID,
                    "valid_until": "2026-04-01T12:00:00Z",
                    "policy_id": None,
                    "product": _PRODUCT,
                    "term": _TERM,
                    "total": _eur(58_310),
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
                    "id": _ID,
                    "number": "POL-2026-000042",
                    "status": "in_force",
                    "holder_id": _ID,
                    "product": _PRODUCT,
                    "term": _TERM,
                    "total": _eur(58_310),
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
                    "id": _ID,
                    "version": 1,
                    "number": "POL-2026-000042",
                    "status": "in_force",
                    "insurer_id": _ID,
                    "holder_id": _ID,
                    "quote_id": _ID,
                    "bound_at": _NOON,
                    "product": _PRODUCT,
                    "jurisdiction": "DE",
                    "term": _TERM,
                    "robots": [_ROBOT],
                    "coverages": [_COVER],
                    **_PRICE,
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
                    "id": _ID,
                    "sequence": 1,
                    "kind": "new_business",
                    "effective_on": "2026-03-03",
                    "issued_at": _NOON,
                    "premium": _eur(49_000),
                    "tax": _eur(9_310),
                    "segments": [
                        {
                            "span": _TERM,
                            "robots": [_ROBOT],
                            "coverages": [_COVER],
                            "premium": _eur(49_000),
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
