"""Messages: what travels, described for whoever sends, hears or stores it.

There are two kinds: events that are taken in from outside, which a context describes,
and facts that contexts tell each other, which describe themselves: their schema is that
of the dataclass, their words are its docstring, and their module has one of each.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import TypeAdapter

from robosure.kernel.events import DomainEvent
from robosure.platform.events import E, Envelope, adapter, context_of, type_of

Kind = Literal["ingested", "fact"]
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_HOME: Final = "https://robosure.dev/event-types"


@dataclass(frozen=True, kw_only=True)
class Message:
    """A version of a kind of message.

    Attributes:
        name: as the message carries it.
        series: what the versions of one kind have in common.
        owner: the context that says what it means; of a fact, who tells it.
        schema: JSON Schema of what it says.
        whole: JSON Schema of all that travels.
        sample: all that travels, for example.
        consumers: contexts that react to it.
        retention_days: how long it is kept; None is for ever.
        archived: whether it is archived before it is dropped.
        sunset: the day from which it may be refused, if it is on its way out.
        successor: what is sent instead then.
    """

    kind: Kind
    name: str
    series: str
    version: int
    owner: str
    description: str
    schema: Mapping[str, Any]
    whole: Mapping[str, Any]
    sample: Mapping[str, Any]
    retention_days: int | None
    archived: bool = False
    consumers: Sequence[str] = ()
    sunset: date | None = None
    successor: str | None = None


def facts_in(module: ModuleType) -> Iterator[type[DomainEvent]]:
    """Return the kinds of facts that a context's ``events`` module defines."""
    for value in vars(module).values():
        if (
            inspect.isclass(value)
            and issubclass(value, DomainEvent)
            and value.__module__ == module.__name__
        ):
            yield value


def sample_of(kind: type[E]) -> E:
    """Return one of a kind of fact: that among the ``SAMPLES`` of its module.

    Raises:
        LookupError: there is none.
    """
    samples: Iterable[DomainEvent] = sys.modules[kind.__module__].SAMPLES
    for sample in samples:
        if isinstance(sample, kind):
            return sample
    raise LookupError(f"{type_of(kind)} has no sample")


def as_document(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Make a JSON Schema stand on its own, under a name that is told apart."""
    return {"$schema": _DIALECT, "$id": f"{_HOME}/{name}.json", **schema}


def fact(
    kind: type[DomainEvent], *, consumers: Iterable[str], retention_days: int | None
) -> Message:
    """Describe a kind of fact."""
    schema = _explained(adapter(kind).json_schema(mode="serialization"))
    payload = {key: value for key, value in schema.items() if key != "$defs"}
    definitions = schema.get("$defs", {})
    name = f"{type_of(kind)}.v{kind.version}"
    return Message(
        kind="fact",
        name=type_of(kind),
        series=type_of(kind),
        version=kind.version,
        owner=context_of(kind),
        description=schema["description"],
        schema=as_document(schema, f"{name}.payload"),
        whole=as_document(
            {
                "title": kind.__name__,
                "description": schema["description"],
                "type": "object",
                "properties": {
                    "envelope": {"$ref": "#/$defs/Envelope"},
                    "payload": payload,
                },
                "required": ["envelope", "payload"],
                "$defs": {"Envelope": _ENVELOPE, **definitions},
            },
            name,
        ),
        sample={
            "envelope": _ENVELOPE_ADAPTER.dump_python(
                replace(_SAMPLE_ENVELOPE, type=type_of(kind), version=kind.version),
                mode="json",
            ),
            "payload": adapter(kind).dump_python(sample_of(kind), mode="json"),
        },
        consumers=sorted(set(consumers)),
        retention_days=retention_days,
    )


_ATTRIBUTE: Final = re.compile(r"^(\w+): (.*)$")
_ROLE: Final = re.compile(r":\w+:`([^`]+)`|``([^`]+)``")


def _explained(schema: dict[str, Any]) -> dict[str, Any]:
    """Tell from docstrings in Google's style what each field is."""
    for described in (schema, *schema.get("$defs", {}).values()):
        summary, attributes = _told(described.get("description", ""))
        if summary:
            described["description"] = summary
        for name, words in attributes.items():
            if name in described.get("properties", {}):
                _describe(described["properties"][name], words)
    return schema


def _describe(field: dict[str, Any], words: str) -> None:
    field.setdefault("description", words[:1].upper() + words[1:])


def _told(docstring: str) -> tuple[str, dict[str, str]]:
    """Split into what is said of the class, and of each attribute, in Markdown."""
    docstring = _ROLE.sub(lambda found: f"`{found[1] or found[2]}`", docstring)
    said, _, listed = docstring.partition("\nAttributes:\n")
    attributes: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(listed).splitlines():
        if start := _ATTRIBUTE.match(line):
            name, attributes[start[1]] = start[1], start[2]
        elif name and line.startswith(" "):
            attributes[name] += f" {line.strip()}"
    return said.strip(), attributes


_ENVELOPE_ADAPTER: Final = TypeAdapter(Envelope)
_ENVELOPE: Final = _explained(_ENVELOPE_ADAPTER.json_schema(mode="serialization"))
_SAMPLE_ENVELOPE: Final = Envelope(
    event_id=UUID("019c8f3e-9a40-7000-8000-000000000002"),
    type="",
    version=1,
    occurred_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
    correlation_id="019c8f3e-9a40-7000-8000-000000000003",
    causation_id=None,
    actor=None,
)
