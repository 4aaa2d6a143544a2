"""Personal data, handed out or erased."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from robosure.contexts.identity.schemas.fields import INSURER, NOON, USER, example
from robosure.platform.http import OutputModel


class RecordsOut(OutputModel):
    """What is kept about a person in one category."""

    category: str
    records: list[dict[str, Any]] = Field(description="As they are kept, by field.")


class ExportOut(OutputModel):
    """All that is kept about a person."""

    model_config = ConfigDict(
        json_schema_extra=example(
            user_id=USER,
            exported_at=NOON,
            contexts={
                "identity": [
                    {
                        "category": "account",
                        "records": [
                            {
                                "id": USER,
                                "organisation_id": INSURER,
                                "organisation": "Robosure Mutual",
                                "email": "ada@robosure.example",
                                "name": "Ada Lovelace",
                                "roles": ["adjuster"],
                            }
                        ],
                    }
                ]
            },
        )
    )

    user_id: UUID
    exported_at: datetime
    contexts: dict[str, list[RecordsOut]] = Field(
        description="By the part of the platform that keeps it."
    )


class KeptOut(OutputModel):
    """What is not erased yet, and why."""

    category: str = Field(description="Part of the platform, and what it keeps.")
    records: int
    reason: str = Field(description="The law that asks for it.")
    until: date = Field(description="The last day on which it does.")


class ErasureOut(OutputModel):
    """What became of a person's data."""

    model_config = ConfigDict(
        json_schema_extra=example(
            user_id=USER,
            erased_at=NOON,
            erased={"identity.account": 1, "identity.sessions": 3, "platform.facts": 2},
            kept=[
                {
                    "category": "claims.contact_of_claims",
                    "records": 1,
                    "reason": "whom to ask about a claim is part of its file: GDPR "
                    "Art. 17 (3) b and e, HGB section 257, AO section 147",
                    "until": "2036-12-31",
                }
            ],
        )
    )

    user_id: UUID
    erased_at: datetime
    erased: dict[str, int] = Field(description="Number of records by category.")
    kept: list[KeptOut]
