"""What is answered over HTTP about types of events: those taken in, and facts told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field

from robosure.contexts.eventflow.schemas.telemetry import TELEMETRY
from robosure.platform.http import OutputModel
from robosure.platform.messages import Kind, Message

_LISTED: Final[dict[str, Any]] = {
    "name": TELEMETRY.name,
    "kind": "ingested",
    "series": TELEMETRY.series,
    "version": TELEMETRY.version,
    "owner": TELEMETRY.owner,
    "description": TELEMETRY.description,
    "status": "active",
    "sunset": None,
    "successor": None,
    "consumers": ["eventflow", "risk"],
    "retention_days": TELEMETRY.retention.days,
    "archived": TELEMETRY.retention.archived,
}
_DETAILED: Final[dict[str, Any]] = {
    **_LISTED,
    "schema": dict(TELEMETRY.schema),
    "sample": dict(TELEMETRY.sample),
}


class EventTypeItem(OutputModel):
    """A version of a type of event, in a list."""

    name: str = Field(description="As events carry it: the CloudEvents `type`.")
    kind: Kind = Field(
        description="`ingested`: taken in over `POST /events`. `fact`: told by a "
        "context to the others."
    )
    series: str = Field(description="What its versions have in common.")
    version: int
    owner: str = Field(description="The context that says what it means; tells it.")
    description: str
    status: Literal["active", "deprecated"]
    sunset: date | None = Field(
        description="Of a deprecated type: the day from which it may be refused."
    )
    successor: str | None = Field(
        description="Of a deprecated type: what to send instead."
    )
    consumers: list[str] = Field(description="The contexts that react to it.")
    retention_days: int | None = Field(
        description="How long it is kept: an ingested event from its time, a fact "
        "once it was handed on; null is for ever."
    )
    archived: bool = Field(description="Whether it is archived before it is dropped.")


class EventTypesOut(OutputModel):
    """Types of events."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_LISTED]}]})

    items: list[EventTypeItem]

    @classmethod
    def of(cls, messages: Iterable[Message]) -> EventTypesOut:
        """List them."""
        return cls(items=[EventTypeItem.model_validate(_shown(m)) for m in messages])


class EventTypeOut(EventTypeItem):
    """A version of a type of event, and how it is written."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DETAILED]})

    schema_: dict[str, Any] = Field(
        alias="schema",
        description="JSON Schema of an ingested event's `data`, or of a fact.",
    )
    sample: dict[str, Any] = Field(
        description="An ingested event as it may be sent, or a fact in its envelope."
    )

    @classmethod
    def of(cls, message: Message) -> EventTypeOut:
        """Describe it."""
        return cls.model_validate(
            {**_shown(message), "schema": message.schema, "sample": message.sample}
        )


def _shown(message: Message) -> dict[str, Any]:
    return {
        "name": message.name,
        "kind": message.kind,
        "series": message.series,
        "version": message.version,
        "owner": message.owner,
        "description": message.description,
        "status": "active" if message.sunset is None else "deprecated",
        "sunset": message.sunset,
        "successor": message.successor,
        "consumers": list(message.consumers),
        "retention_days": message.retention_days,
        "archived": message.archived,
    }
