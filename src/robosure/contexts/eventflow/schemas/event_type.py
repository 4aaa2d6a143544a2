"""A type of event that is taken in: how it is validated, described, kept and enriched.

A new type is one :class:`EventType` in :data:`EVENT_TYPES`. A change to a published one
has to be compatible, and ``scripts/check_event_types.py`` says whether it is; what is
not becomes the series' next version, taken in beside the old one until its sunset.

To enrich events, give their type steps: pure functions from an event's subject, time
and data to the data that is stored. The worker applies them in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, get_type_hints
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError

from robosure.contexts.eventflow.domain import (
    Data,
    Deprecation,
    Retention,
    Step,
    enrich,
)
from robosure.contexts.eventflow.schemas.plain import PlainForm
from robosure.platform.messages import Message, as_document


class CloudEvent(Protocol):
    """A validated event.

    Attributes:
        time: aware, with the offset it was written with.
        data: canonical JSON of the type, with what was sent and nothing else.
    """

    id: str
    source: str
    type: str
    subject: UUID
    time: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class EventType:
    """A version of a series of events, as it is taken in.

    Attributes:
        series: what its versions have in common, such as ``robot.telemetry``.
        owner: the context that says what it means.
        model: of the whole event; its field ``data`` has the type of the data.
        sample: of an event; valid.
        steps: enrich the data before it is stored, in this order.
        deprecation: if another type is to be sent instead.
        event: validates one event, from JSON.
        batch: validates a JSON array of events in one call.
        plain: reads events that are in plain form, as nearly all are.
        data: validates an event's data.
        schema: JSON Schema of the data.
        event_schema: JSON Schema of the whole event.
    """

    series: str
    version: int
    owner: str
    description: str
    model: type[Any]
    sample: Mapping[str, Any]
    retention: Retention
    steps: tuple[Step, ...] = ()
    deprecation: Deprecation | None = None
    event: TypeAdapter[Any] = field(init=False)
    batch: TypeAdapter[list[Any]] = field(init=False)
    plain: PlainForm = field(init=False)
    data: TypeAdapter[Any] = field(init=False)
    schema: Mapping[str, Any] = field(init=False)
    event_schema: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Derive validators and schemas once, and try them on the sample.

        Raises:
            ValueError: the sample is not valid, or a step cannot enrich it.
        """
        data = TypeAdapter(get_type_hints(self.model, include_extras=True)["data"])
        event = TypeAdapter(self.model)
        derived: dict[str, Any] = {
            "event": event,
            "batch": TypeAdapter(list[self.model]),  # type: ignore[name-defined]  # a model that is a value
            "plain": PlainForm(self.model),
            "data": data,
            "schema": as_document(data.json_schema(), f"{self.name}.data"),
            "event_schema": as_document(event.json_schema(), self.name),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        self._try_sample()

    @property
    def name(self) -> str:
        """The CloudEvents ``type``."""
        return f"{self.series}.v{self.version}"

    def enriched(self, subject: UUID, time: datetime, data: Data) -> Data:
        """Return the data to store; the data itself where the type has no steps."""
        return enrich(self.steps, subject, time, data)

    def message(self) -> Message:
        """Describe it to whoever may send it."""
        return Message(
            kind="ingested",
            name=self.name,
            series=self.series,
            version=self.version,
            owner=self.owner,
            description=self.description,
            schema=self.schema,
            whole=self.event_schema,
            sample=self.sample,
            retention_days=self.retention.days,
            archived=self.retention.archived,
            sunset=self.deprecation.sunset if self.deprecation else None,
            successor=self.deprecation.successor if self.deprecation else None,
        )

    def _try_sample(self) -> None:
        try:
            event: CloudEvent = self.event.validate_json(orjson.dumps(self.sample))
        except ValidationError as error:
            raise ValueError(
                f"the sample of {self.name} is not valid: {error}"
            ) from error
        if event.type != self.name:
            raise ValueError(f"the sample of {self.name} is of type {event.type}")
        given = deepcopy(event.data)
        once = self.enriched(event.subject, event.time, event.data)
        again = self.enriched(event.subject, event.time, event.data)
        if event.data != given or once != again:
            raise ValueError(f"a step of {self.name} is not a pure function")
        try:
            orjson.dumps(once)
        except TypeError as error:
            raise ValueError(f"a step of {self.name} makes no JSON: {error}") from error


def catalogue(*event_types: EventType) -> Mapping[str, EventType]:
    """Return the types by name.

    Raises:
        ValueError: two have one name, or a successor is not among them.
    """
    named = {each.name: each for each in event_types}
    if len(named) < len(event_types):
        raise ValueError("two event types have one name")
    for each in event_types:
        if each.deprecation is not None and each.deprecation.successor not in named:
            raise ValueError(
                f"{each.name} is succeeded by {each.deprecation.successor}, which is "
                "not there"
            )
    return named
