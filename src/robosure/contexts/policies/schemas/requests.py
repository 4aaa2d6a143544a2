"""What policies takes over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from robosure.contexts.policies.domain.coverages import CoverageChoice
from robosure.contexts.policies.domain.quote import Request
from robosure.contexts.policies.schemas.examples import EXAMPLE_ID, TERM, eur
from robosure.kernel.time import Term
from robosure.platform.http import InputModel, MoneyModel

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
                    "holder_id": EXAMPLE_ID,
                    "product_code": "robot-comprehensive",
                    "robot_ids": [EXAMPLE_ID],
                    "term": TERM,
                    "jurisdiction": "DE",
                    "coverages": [
                        {"code": "physical-damage", "deductible": eur(50_000)},
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
