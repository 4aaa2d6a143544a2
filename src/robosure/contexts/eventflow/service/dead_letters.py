"""Dead letters: corrected, replayed or given up, by someone who says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import ValidationError

from robosure.contexts.eventflow.schemas import EVENT_TYPES
from robosure.kernel.errors import FieldError, Invalid, InvalidState, Stale
from robosure.kernel.time import Clock
from robosure.platform import audit
from robosure.platform.database import WriteSession
from robosure.platform.events import adapter, types_by_name
from robosure.platform.logging import LoggerMixin
from robosure.platform.streams.letters import (
    OPEN,
    UNREADABLE,
    Chosen,
    ask_replay,
    discard,
    lock,
    rewrite,
)

_SHOWN_ERRORS: Final = 20
_PERSONAL: Final = {"name"}
"""What facts say of who somebody is, and logs would not mask."""


class DeadLetterService(LoggerMixin):
    """What a person does about events that could not be handled."""

    def __init__(self, session: WriteSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    async def edit(
        self,
        letter_id: UUID,
        data: Mapping[str, Any],
        *,
        by: UUID,
        expected_version: int | None,
    ) -> int:
        """Correct what the event says; which event it is stays as it is.

        Args:
            letter_id: which letter.
            data: what its event is to say.
            by: who corrects it.
            expected_version: the version that the caller saw; None for any.

        Returns:
            Its version now.

        Raises:
            NotFound: there is no such letter.
            Stale: it was changed since the caller saw it, if only by another failure.
            InvalidState: it is settled, being replayed, of a type of event that is not
                taken in any more, or nobody can read it.
            Invalid: an event of its type, or a fact of its kind, may not say that.
        """
        letter = await lock(self._session, letter_id)
        if expected_version not in {None, letter.version}:
            raise Stale("stale_version", version=letter.version)
        if letter.status not in OPEN or letter.type == UNREADABLE:
            raise InvalidState("dead_letter_not_editable", status=letter.status)
        content: dict[str, Any] = orjson.loads(letter.content)
        if letter.source is None:
            _require_fact(letter.type, data)
            before: Mapping[str, Any] = content["payload"]
            content["payload"] = dict(data)
        else:
            event = content["events"][0]
            before = event["data"]
            content["events"] = [_corrected(event, data)]
        written = orjson.dumps(content).decode()
        version = await rewrite(self._session, letter_id, written, by=by)
        audit.note(
            self._session,
            "dead_letter",
            letter_id,
            before={"data": _differing(before, data)},
            after={"data": _differing(data, before)},
            personal=_PERSONAL,
        )
        return version

    async def replay(self, chosen: Chosen, *, by: UUID) -> list[UUID]:
        """Have letters handled again, soon, each in a transaction of its own.

        Raises:
            InvalidState: one letter was named, and it cannot be replayed.
        """
        asked = await ask_replay(self._session, chosen, by=by)
        await self._require_if_one(chosen, asked)
        self._note(asked, {"status": "replaying"})
        self.logger.info(
            "eventflow.service.replay_started", letters=len(asked), by=str(by)
        )
        return list(asked)

    async def discard(self, chosen: Chosen, *, by: UUID, reason: str) -> list[UUID]:
        """Give letters up, for a reason that is kept with them.

        Raises:
            InvalidState: one letter was named, and it is settled or being replayed.
        """
        at = self._clock.now()
        given_up = await discard(self._session, chosen, by=by, reason=reason, at=at)
        await self._require_if_one(chosen, given_up)
        self._note(given_up, {"status": "discarded", "reason": reason})
        self.logger.info(
            "eventflow.service.discard_completed", letters=len(given_up), by=str(by)
        )
        return list(given_up)

    def _note(self, settled: Mapping[UUID, str], after: Mapping[str, str]) -> None:
        for letter_id, was in settled.items():
            audit.note(
                self._session,
                "dead_letter",
                letter_id,
                before={"status": was},
                after=after,
            )

    async def _require_if_one(self, chosen: Chosen, found: Mapping[UUID, str]) -> None:
        if chosen.ids is not None and len(chosen.ids) == 1 and not found:
            letter = await lock(self._session, chosen.ids[0])
            raise InvalidState(
                "dead_letter_not_open", status=letter.status, type=letter.type
            )


def _corrected(event: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    corrected = {**event, "data": dict(data)}
    event_type = EVENT_TYPES.get(event["type"])
    if event_type is None:
        raise InvalidState("unknown_event_type", type=event["type"])
    with _invalid_data():
        event_type.event.validate_json(orjson.dumps(corrected))
    return corrected


def _require_fact(name: str, payload: Mapping[str, Any]) -> None:
    """Refuse what those who listen could not read; of an unknown kind, nothing."""
    kind = types_by_name().get(name)
    if kind is not None:
        with _invalid_data("data"):
            adapter(kind).validate_python(payload)


@contextmanager
def _invalid_data(*within: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise Invalid(
            "invalid_data",
            errors=tuple(
                FieldError(
                    ".".join(map(str, (*within, *e["loc"]))), e["type"], e["msg"]
                )
                for e in error.errors(include_url=False, include_input=False)
            )[:_SHOWN_ERRORS],
        ) from error


def _differing(data: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of data the other does not say, or not like that."""
    return {
        name: value
        for name, value in data.items()
        if name not in other or orjson.dumps(value) != orjson.dumps(other[name])
    }
