"""Reception: says of each incoming event whether it is taken in, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard
from uuid import UUID

import orjson
from pydantic import ValidationError
from redis.asyncio import Redis

from robosure.contexts.eventflow.ports import KnownRobots
from robosure.contexts.eventflow.schemas import (
    EVENT_TYPES,
    CloudEvent,
    EventResult,
    Receipt,
)
from robosure.kernel.errors import Invalid, Malformed, TooLarge
from robosure.kernel.time import Clock
from robosure.platform.correlation import current
from robosure.platform.http import Principal
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.streams import Batch, StreamEvent
from robosure.platform.streams.ingest import append, identify

EVENTS_AT_ONCE: Final = 1_000
_SHOWN_ERRORS: Final = 3
_ROBOTS: Final = "/robots/"

REFUSED: Final = counter(
    "eventflow_events_refused_total", "Events refused on arrival.", ["code"]
)


@dataclass(frozen=True)
class Refusal:
    """Why an event is not taken in."""

    code: str
    detail: str


NOT_JSON: Final = Refusal("malformed_json", "the line is no JSON")


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
    for line in filter(None, map(bytes.strip, body.split(b"\n"))):
        try:
            events.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            events.append(NOT_JSON)
    if all(event is NOT_JSON for event in events):
        raise Malformed("malformed_json", reason="not one line is JSON")
    return events


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed("malformed_json", reason=str(error)) from error


class ReceptionService(LoggerMixin):
    """Says of each event whether it is taken in, and puts those on the stream."""

    def __init__(self, robots: KnownRobots, redis: Redis, clock: Clock) -> None:
        self._robots = robots
        self._redis = redis
        self._clock = clock

    async def receive(
        self,
        incoming: Sequence[Any],
        *,
        principal: Principal,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Take in what is valid and the principal's to tell.

        Args:
            incoming: events as they came, parsed, or a :class:`Refusal` for one that
                could not be.
            principal: who sends them.
            idempotency_key: makes what is accepted the same batch when it is sent
                again; what was refused then and is accepted now makes it another.

        Raises:
            TooLarge: more than :data:`EVENTS_AT_ONCE`.
            Unavailable: the stream cannot take them; nothing was accepted.
        """
        if len(incoming) > EVENTS_AT_ONCE:
            raise TooLarge("too_many_events", limit=EVENTS_AT_ONCE)
        checked = [_checked(event) for event in incoming]
        voice = await self._voice(principal, checked)
        now = self._clock.now()
        accepted: list[StreamEvent] = []
        results: list[EventResult] = []
        for index, (raw, event) in enumerate(zip(incoming, checked, strict=True)):
            refusal = event if isinstance(event, Refusal) else voice.objection(event)
            if not isinstance(event, Refusal) and refusal is None:
                accepted.append(
                    StreamEvent(
                        event.source,
                        event.id,
                        event.type,
                        str(event.subject),
                        event.time,
                        raw["data"],
                        now,
                    )
                )
            results.append(_result(index, raw, refusal))
        told = [f"{event.source}\n{event.id}".encode() for event in accepted]
        batch_id = identify(principal.subject, idempotency_key, *told)
        if accepted:
            correlation_id = current().correlation_id
            batch = Batch(batch_id, accepted, correlation_id, now, principal.subject)
            await append(self._redis, batch)
        return self._receipt(batch_id, results)

    async def _voice(
        self, principal: Principal, checked: Iterable[CloudEvent | Refusal]
    ) -> Voice:
        """Find out for which robots the principal may speak."""
        bound = principal.robot_id
        if principal.organisation_kind == "insurer":
            robots = None if bound is None else frozenset({bound})
            return Voice(robots, "bound_to_another_robot")
        subjects = {e.subject for e in checked if not isinstance(e, Refusal)}
        among = subjects if bound is None else {bound}
        own = await self._robots.of(principal.organisation_id, among=among)
        is_bound = bound is not None and bound in own
        return Voice(own, "bound_to_another_robot" if is_bound else "robot_not_known")

    def _receipt(self, batch_id: UUID, results: list[EventResult]) -> Receipt:
        refused = [result.code for result in results if result.code is not None]
        for code in refused:
            REFUSED.labels(code).inc()
        if refused:
            self.logger.warning(
                "eventflow.service.receive_refused",
                batch_id=str(batch_id),
                refused=len(refused),
                codes=sorted(set(refused)),
            )
        return Receipt(
            batch_id=batch_id,
            accepted=len(results) - len(refused),
            refused=len(refused),
            results=results,
        )


@dataclass(frozen=True)
class Voice:
    """For which robots somebody may speak.

    Attributes:
        robots: their ids; None for all.
        code: of the refusal of any other.
    """

    robots: frozenset[UUID] | None
    code: str

    def objection(self, event: CloudEvent) -> Refusal | None:
        """Return why the event is not theirs to tell; None if it is.

        ``/robots/{id}`` is the source of what a robot's own telemetry is mapped to. An
        event about another robot must not take that name, or the robot's own event of
        the same id would pass for a repeat.
        """
        if self.robots is not None and event.subject not in self.robots:
            detail = "not one of the robots you speak for, or not known here yet"
            return Refusal(self.code, detail)
        own = f"{_ROBOTS}{event.subject}"
        if event.source.startswith(_ROBOTS) and event.source != own:
            return Refusal("source_of_another_robot", f"source: may only be {own}")
        return None


def _checked(event: Any) -> CloudEvent | Refusal:
    """Validate an event against its type."""
    if isinstance(event, Refusal):
        return event
    if not _is_object(event):
        return Refusal("not_an_object", "an event is a JSON object")
    name = event.get("type")
    if name is None:
        return Refusal("missing_attribute", "type: Field required")
    event_type = EVENT_TYPES.get(name) if isinstance(name, str) else None
    if event_type is None:
        known = ", ".join(EVENT_TYPES)
        return Refusal("unknown_event_type", f"type: one of {known}")
    try:
        checked: CloudEvent = event_type.event.validate_json(orjson.dumps(event))
    except ValidationError as error:
        return _refusal_of(error)
    return checked


_CODE_OF_ATTRIBUTE: Final = {
    "time": "invalid_time",
    "subject": "invalid_subject",
    "data": "invalid_data",
}


def _refusal_of(error: ValidationError) -> Refusal:
    errors = error.errors(include_url=False, include_input=False)
    first = errors[0]
    attribute = str(first["loc"][0])
    code = _CODE_OF_ATTRIBUTE.get(attribute, "invalid_attribute")
    if first["type"] == "missing":
        code = "missing_attribute"
    details = (
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
        for each in errors[:_SHOWN_ERRORS]
    )
    return Refusal(code, "; ".join(details))


def _result(index: int, raw: Any, refusal: Refusal | None) -> EventResult:
    id_ = raw.get("id") if _is_object(raw) else None
    return EventResult(
        index=index,
        id=id_ if isinstance(id_, str) else None,
        status="accepted" if refusal is None else "refused",
        code=None if refusal is None else refusal.code,
        detail=None if refusal is None else refusal.detail,
    )


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
