"""Bases of request and response models."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from robosure.kernel.money import Money


class InputModel(BaseModel):
    """What a caller sends; an unknown field is refused, not dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OutputModel(BaseModel):
    """What we answer; every field is stated, none has a default."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class MoneyModel(BaseModel):
    """An amount in minor units: 12345 EUR is 123.45 euros."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        from_attributes=True,
        json_schema_extra={"examples": [{"minor": 12345, "currency": "EUR"}]},
    )

    minor: Annotated[int, Field(ge=-(2**63), lt=2**63, description="Minor units.")]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217.")]

    def to_money(self) -> Money:
        """Return the domain's value."""
        return Money(self.minor, self.currency)

    @classmethod
    def from_money(cls, money: Money) -> MoneyModel:
        """Show the domain's value."""
        return cls(minor=money.minor, currency=money.currency)
