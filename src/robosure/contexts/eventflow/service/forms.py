"""The forms in which events come, and what is wrong with an event in one.

A body is validated as a whole, in one call: in plain form, and if it is not in that, by
the events' models. Only if that fails too is each of its events looked at alone, to say
which are refused and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, TypeGuard, Union

import orjson
from pydantic import Discriminator, Field, TypeAdapter, ValidationError

from robosure.contexts.eventflow.schemas import EVENT_TYPES, CloudEvent
from robosure.contexts.eventflow.schemas.plain import (
    PlainForm,
    Taken,
    is_canonical,
    is_utc,
    may_be_plain,
)
from robosure.kernel.errors import Invalid, Malformed, TooLarge

EVENTS_AT_ONCE: Final = 1_000
_LINES_AT_ONCE: Final = 2 * EVENTS_AT_ONCE
_COMMAS_AT_ONCE: Final = 600 * EVENTS_AT_ONCE
"""A body full of nothing but punctuation is not worth the memory to read it."""
_SHOWN_ERRORS: Final = 3
_SHOWN_CHARACTERS: Final = 255
"""Of what a refused event says, as much is said again as a valid one could hold."""
_NO_JSON: Final = ((b"N", b"NaN"), (b"I", b"Infinity"))
"""Numbers that pydantic reads although no JSON has them, and their first letters.

A letter is looked for in a microsecond, in a body for which a word takes fifty.
"""


@dataclass(frozen=True)
class Refusal:
    """Why an event is not taken in.

    Attributes:
        id: the event's, if it has one.
    """

    code: str
    detail: str
    id: str | None = None


NOT_JSON: Final = Refusal("malformed_json", "the line is no JSON")

Checked = Sequence[Taken | Refusal]
"""Each event as it is passed on, or why it is not."""


class Form(NamedTuple):
    """A way to write events into a body.

    Attributes:
        plain: reads all of a body's events if they are plain; None if they are not.
        whole: validates all of a body's events in one go.
        parse: reads the events one by one; a :class:`Refusal` in place of one that
            cannot be read.
    """

    plain: Callable[[PlainForm, bytes], Sequence[Taken] | None]
    whole: Callable[[bytes], Sequence[CloudEvent]]
    parse: Callable[[bytes], list[Any]]

    def read(self, body: bytes) -> Checked:
        """Validate the events of a body.

        Raises:
            Malformed: it is no JSON.
            Invalid: it has not the shape of this form.
            TooLarge: more than :data:`EVENTS_AT_ONCE`, or more values than so many
                events could have, counted before any is read.
        """
        if len(body) > _COMMAS_AT_ONCE and body.count(b",") > _COMMAS_AT_ONCE:
            raise TooLarge("too_many_values", limit=_COMMAS_AT_ONCE)
        plain = self.read_plain(body)
        if plain is not None:
            return plain
        if not any(letter in body and word in body for letter, word in _NO_JSON):
            with suppress(ValidationError):
                whole = self.whole(body)
                _refuse_too_many(whole)
                return [_taken(event) for event in whole]
        incoming = self.parse(body)
        _refuse_too_many(incoming)
        return [_checked(event) for event in incoming]

    def read_plain(self, body: bytes) -> Sequence[Taken] | None:
        """Return the events if they are plain, and all of one type.

        Raises:
            TooLarge: they are more than :data:`EVENTS_AT_ONCE`.
        """
        if not may_be_plain(body):
            return None
        form = _plain_form_in(body)
        events = None if form is None else self.plain(form, body)
        if events is None:
            return None
        for event in events:
            if not (is_canonical(event.subject) and is_utc(event.time)):
                return None
        _refuse_too_many(events)
        return events


def parse_one(body: bytes) -> list[Any]:
    """Read a body that is one event.

    Raises:
        Malformed: it is no JSON.
    """
    return [_parsed(body)]


def parse_batch(body: bytes) -> list[Any]:
    """Read a body that is a JSON array of events.

    Raises:
        Malformed: it is no JSON.
        Invalid: it is no array.
    """
    document = _parsed(body)
    if not _is_list(document):
        raise Invalid("not_a_batch", reason="a batch is a JSON array")
    return document


def parse_lines(body: bytes) -> list[Any]:
    """Read a body with one event per line; a line that is no JSON is refused alone.

    Raises:
        Malformed: not one line is JSON.
    """
    events: list[Any] = []
    for line in _lines(body):
        try:
            events.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            events.append(NOT_JSON)
    if all(event is NOT_JSON for event in events):
        raise _not_one_line()
    return events


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed("malformed_json", reason=str(error)) from error


def _not_one_line() -> Malformed:
    return Malformed("malformed_json", reason="not one line is JSON")


def _lines(body: bytes) -> list[bytes]:
    """Cut a body into lines, leaving out those with nothing in them.

    Raises:
        TooLarge: more lines than events may be sent, counted before any is read.
    """
    if body.count(b"\n") > _LINES_AT_ONCE:
        raise TooLarge("too_many_events", limit=EVENTS_AT_ONCE)
    return [line for line in map(bytes.strip, body.split(b"\n")) if line]


_PLAIN_FORMS: Final = [
    (f'"{name}"'.encode(), event_type.plain) for name, event_type in EVENT_TYPES.items()
]
_models: Final = tuple(each.model for each in EVENT_TYPES.values())
_Event: Any = (
    _models[0]
    if len(_models) == 1
    else Annotated[Union[_models], Discriminator("type")]  # noqa: UP007 - of a tuple
)
_event: Final[TypeAdapter[Any]] = TypeAdapter(_Event)
_Batch: Any = Annotated[list[_Event], Field(max_length=EVENTS_AT_ONCE)]  # pyright: ignore[reportInvalidTypeForm]  # a type that is a value
_batch: Final[TypeAdapter[list[Any]]] = TypeAdapter(_Batch)


def _plain_form_in(body: bytes) -> PlainForm | None:
    for name, form in _PLAIN_FORMS:
        if name in body:
            return form
    return None


def _plain_event(form: PlainForm, body: bytes) -> list[Taken] | None:
    event = form.one(body)
    return None if event is None else [event]


def _plain_lines(form: PlainForm, body: bytes) -> list[Taken] | None:
    events: list[Taken] = []
    for line in _lines(body):
        event = form.one(line)
        if event is None:
            return None
        events.append(event)
    return events


def _whole_event(body: bytes) -> list[CloudEvent]:
    return [_event.validate_json(body)]


def _whole_lines(body: bytes) -> list[CloudEvent]:
    lines = _lines(body)
    if not lines:
        raise _not_one_line()
    return [_event.validate_json(line) for line in lines]


FORMS: Final = {
    "application/cloudevents+json": Form(_plain_event, _whole_event, parse_one),
    "application/cloudevents-batch+json": Form(
        PlainForm.several, _batch.validate_json, parse_batch
    ),
    "application/x-ndjson": Form(_plain_lines, _whole_lines, parse_lines),
}
"""By media type."""


def _refuse_too_many(events: Sequence[Any]) -> None:
    if len(events) > EVENTS_AT_ONCE:
        raise TooLarge("too_many_events", limit=EVENTS_AT_ONCE)


def _taken(event: CloudEvent) -> Taken:
    return EVENT_TYPES[event.type].plain.of(event)


def _checked(event: Any) -> Taken | Refusal:
    """Validate an event against its type."""
    if isinstance(event, Refusal):
        return event
    if not _is_object(event):
        return Refusal("not_an_object", "an event is a JSON object")
    id_ = event.get("id")
    id_ = id_[:_SHOWN_CHARACTERS] if isinstance(id_, str) else None
    name = event.get("type")
    if name is None:
        return Refusal("missing_attribute", "type: Field required", id_)
    event_type = EVENT_TYPES.get(name) if isinstance(name, str) else None
    if event_type is None:
        known = ", ".join(EVENT_TYPES)
        return Refusal("unknown_event_type", f"type: one of {known}", id_)
    try:
        checked: CloudEvent = event_type.event.validate_json(orjson.dumps(event))
    except ValidationError as error:
        return _refusal_of(error, id_)
    return _taken(checked)


_CODE_OF_ATTRIBUTE: Final = {
    "time": "invalid_time",
    "subject": "invalid_subject",
    "data": "invalid_data",
}


def _refusal_of(error: ValidationError, id_: str | None) -> Refusal:
    errors = error.errors(include_url=False, include_input=False)
    first = errors[0]
    attribute = str(first["loc"][0])
    code = _CODE_OF_ATTRIBUTE.get(attribute, "invalid_attribute")
    if first["type"] == "missing":
        code = "missing_attribute"
    details = (
        f"{'.'.join(map(str, each['loc']))[:_SHOWN_CHARACTERS]}: {each['msg']}"
        for each in errors[:_SHOWN_ERRORS]
    )
    return Refusal(code, "; ".join(details), id_)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
