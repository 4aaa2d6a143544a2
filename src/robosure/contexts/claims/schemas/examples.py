"""How the examples in the OpenAPI document are written."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ConfigDict

EXAMPLE_ID: Final = "019c8f3e-9a40-7000-8000-000000000001"


def eur(minor: int) -> dict[str, Any]:
    """Return an amount of euros, as JSON."""
    return {"minor": minor, "currency": "EUR"}


def example(**fields: Any) -> ConfigDict:
    """Return a model's configuration with this example."""
    return ConfigDict(json_schema_extra={"examples": [fields]})
