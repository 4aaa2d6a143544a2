"""How the examples in the OpenAPI document are written."""

from __future__ import annotations

from typing import Final

from pydantic import ConfigDict
from pydantic.config import JsonDict

FACTOR: Final[JsonDict] = {
    "code": "protective_stop_rate",
    "name": "Protective stops",
    "unit": "episodes per operating hour",
    "value": "51.7668",
    "points": "25.14",
    "max_points": 30,
    "half_points_at": "10",
    "explanation": "How often the robot stopped to protect itself or people.",
}


def example(document: JsonDict) -> ConfigDict:
    """Return a model's configuration with this example."""
    return ConfigDict(json_schema_extra={"examples": [document]})
