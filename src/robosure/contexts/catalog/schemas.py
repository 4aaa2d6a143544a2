"""What the catalogue takes in and gives out over HTTP.

Terms are the very dataclasses that the catalogue tells the others, so the API, the
database and the event speak of the same thing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from importlib.resources import files
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from robosure.contexts.catalog.events import ProductTerms
from robosure.platform.http import InputModel, OutputModel

Code = Annotated[str, StringConstraints(max_length=64, pattern="^[a-z0-9-]+$")]
Text = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f]*$"
    ),
]


def shipped_documents() -> Iterator[str]:
    """Return the products that ship with the platform, each as one would post it."""
    folder = files("robosure.contexts.catalog") / "products"
    for document in sorted(folder.iterdir(), key=lambda found: found.name):
        yield document.read_text("utf-8")


def _shortened() -> dict[str, Any]:
    """Make an example of a shipped product: one of each kind of thing in it."""
    document: dict[str, Any] = json.loads(next(shipped_documents()))
    terms: dict[str, Any] = document["terms"]
    for part in ("coverages", "rating_factors", "taxes"):
        terms[part] = terms[part][:1]
    return document


_PRODUCT = _shortened()
_STORED: dict[str, Any] = {
    "id": "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b05",
    "latest_version": 1,
}
_NOON = "2026-03-02T12:00:00Z"


class ProductVersionIn(InputModel):
    """New terms for a product, from a day on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"effective_from": "2027-01-01", "terms": _PRODUCT["terms"]},
            ]
        }
    )

    effective_from: date = Field(description="First day on which they hold.")
    terms: ProductTerms


class ProductIn(ProductVersionIn):
    """A product to bring, with its first terms."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PRODUCT]})

    code: Code = Field(description="Unique; kebab-case.")
    name: Text
    description: Text


class ProductSummary(OutputModel):
    """A product in a list."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_STORED,
                    "code": _PRODUCT["code"],
                    "name": _PRODUCT["name"],
                    "description": _PRODUCT["description"],
                    "coverage_names": ["Physical damage"],
                }
            ]
        }
    )

    id: UUID
    code: str
    name: str
    description: str
    latest_version: int = Field(description="Published last, on sale already or not.")
    coverage_names: list[str] = Field(description="Of the latest version.")


class ProductOut(OutputModel):
    """A product on the terms of one version."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**_STORED, **_PRODUCT, "number": 1, "published_at": _NOON},
            ]
        }
    )

    id: UUID
    code: str
    name: str
    description: str
    latest_version: int = Field(description="Published last; the ETag.")
    number: int = Field(description="The version shown.")
    effective_from: date = Field(description="First day on which it is sold.")
    published_at: datetime
    terms: ProductTerms


class ProductVersionOut(OutputModel):
    """A published version; read its terms with `?version=`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"number": 1, "effective_from": "2020-01-01", "published_at": _NOON}
            ]
        }
    )

    number: int
    effective_from: date = Field(description="First day on which it is sold.")
    published_at: datetime
