"""What the examples in the OpenAPI document are made of."""

from __future__ import annotations

from typing import Final

from pydantic.config import JsonDict

EXAMPLE_ID: Final = "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b05"
NOON: Final = "2026-03-02T12:00:00Z"


def eur(minor: int) -> JsonDict:
    """Return an amount of euros, as JSON."""
    return {"minor": minor, "currency": "EUR"}


PRODUCT: Final[JsonDict] = {"code": "robot-comprehensive", "version": 1}
TERM: Final[JsonDict] = {
    "inception": "2026-03-03",
    "expiry": "2027-03-03",
    "time_zone": "Europe/Berlin",
}
ROBOT: Final[JsonDict] = {
    "robot_id": EXAMPLE_ID,
    "serial_number": "UR3-20195300456",
    "robot_class": "cobot",
    "insured_value": eur(2_500_000),
}
COVER: Final[JsonDict] = {
    "code": "physical-damage",
    "name": "Physical damage",
    "limit": eur(10_000_000),
    "deductible": eur(100_000),
}
PRICE: Final[JsonDict] = {
    "premium": eur(49_000),
    "taxes": [{"name": "Versicherungsteuer", "rate": "0.19", "amount": eur(9_310)}],
    "tax": eur(9_310),
    "total": eur(58_310),
}
