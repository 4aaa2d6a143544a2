"""Reception: says of each incoming event whether it is taken in, and why not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final
from uuid import UUID

import msgspec

from robosure.contexts.eventflow.schemas import Receipt, RefusalOut
from robosure.contexts.eventflow.schemas.plain import Taken
from robosure.contexts.eventflow.service.forms import Checked, Form, Refusal
from robosure.contexts.eventflow.service.voice import (
    RememberedRobots,
    Voice,
    own_source,
)
from robosure.kernel.time import Clock
from robosure.platform.correlation import current
from robosure.platform.http import Principal, Promise
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.streams import Batch, EventBus
from robosure.platform.streams.bus import partition_of
from robosure.platform.streams.ingest import (
    append_parts,
    appending,
    identify,
    not_taken,
)
from robosure.platform.streams.pressure import Pressure

_SUBJECTS: Final = 100_000
_INSURER: Final = "insurer"
_NONE: Final = frozenset[str]()
_write: Final = msgspec.json.Encoder().encode
REFUSED: Final = counter(
    "eventflow_events_refused_total", "Events refused on arrival.", ["code"]
)


class _Whole(msgspec.Struct):
    """A receipt for events of which none was refused; msgspec writes it sooner."""

    batch_id: UUID
    accepted: int
    refused: int = 0
    refusals: Sequence[RefusalOut] = ()


class ReceptionService(LoggerMixin):
    """Says of each event whether it is taken in, and puts those on the stream."""

    def __init__(
        self,
        robots: RememberedRobots,
        bus: EventBus,
        *,
        partitions: int,
        pressure: Pressure,
        clock: Clock,
    ) -> None:
        self._robots = robots
        self._bus = bus
        self._partitions = partitions
        self._pressure = pressure
        self._clock = clock
        self._known: dict[str, tuple[int, str]] = {}

    async def receive(
        self,
        body: bytes,
        form: Form,
        *,
        principal: Principal,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Take in what is valid and the principal's to tell.

        Args:
            body: as it came.
            form: how the events are written in it.
            principal: who sends them.
            idempotency_key: makes what is accepted the same batch when it is sent
                again; what was refused then and is accepted now makes it another.

        Raises:
            Malformed: it is no JSON.
            Invalid: it has not the shape of its form.
            TooLarge: it has too many events.
            Unavailable: the stream cannot take them; nothing was accepted.
        """
        self._pressure.check()
        checked = form.read(body)
        robots = await self._robots.of(
            principal.organisation_id, among=_among(principal, checked)
        )
        voice = _voice(principal, robots)
        parts, refusals = self._judged(checked, voice)
        accepted = len(checked) - len(refusals)
        told: Iterable[bytes] = ()
        if idempotency_key is not None:
            faulty = refusals.keys()
            told = [
                f"{event.source}\n{event.id}".encode()
                for index, event in enumerate(checked)
                if index not in faulty and not isinstance(event, Refusal)
            ]
        batch_id = identify(principal.subject, idempotency_key, *told)
        if accepted:
            batch = Batch(
                batch_id,
                current().correlation_id,
                self._clock.now(),
                principal.subject,
            )
            await append_parts(self._bus, batch, parts)
        if refusals:
            self._tell(batch_id, refusals.values())
        return Receipt(
            batch_id=batch_id,
            accepted=accepted,
            refused=len(refusals),
            refusals=[
                RefusalOut(index=index, id=why.id, code=why.code, detail=why.detail)
                for index, why in refusals.items()
            ],
        )

    def begin(
        self, body: bytes, form: Form, *, batch: Batch, principal: Principal
    ) -> Promise | None:
        """Begin to take in what :meth:`receive` would, if nobody has to be asked.

        None, and nothing is begun, if the events are not all plain, known and theirs.

        Raises:
            TooLarge: it has too many events.
            Unavailable: the stream cannot take them; nothing was accepted.
        """
        self._pressure.check()
        events = form.read_plain(body)
        if not events:
            return None
        robots = (
            _NONE
            if principal.organisation_kind == _INSURER
            else self._robots.at_hand(principal.organisation_id, now=batch.received_at)
        )
        if robots is None:
            return None
        parts, refusals = self._judged(events, _voice(principal, robots))
        if refusals:
            return None
        receipt = _write(_Whole(batch.batch_id, len(events)))
        return Promise(receipt, appending(self._bus, batch, parts), not_taken)

    def _judged(
        self, checked: Checked, voice: Voice
    ) -> tuple[dict[int, list[Taken]], dict[int, Refusal]]:
        """Return the accepted events by partition, and the refusals by index."""
        parts: defaultdict[int, list[Taken]] = defaultdict(list)
        refusals: dict[int, Refusal] = {}
        robots = voice.robots
        for index, event in enumerate(checked):
            if isinstance(event, Refusal):
                refusals[index] = event
                continue
            subject = event.subject
            partition, own = self._known.get(subject) or self._place(subject)
            # Nearly all are a robot's own; of the others the voice is asked.
            is_own = event.source == own and (robots is None or subject in robots)
            objection = None if is_own else voice.objection(event, own)
            if objection is None:
                parts[partition].append(event)
            else:
                refusals[index] = objection
        return parts, refusals

    def _place(self, subject: str) -> tuple[int, str]:
        """Find out once where events of a subject go, and which source is its own."""
        if len(self._known) >= _SUBJECTS:
            self._known.clear()
        place = partition_of(subject, self._partitions), own_source(subject)
        self._known[subject] = place
        return place

    def _tell(self, batch_id: UUID, refusals: Iterable[Refusal]) -> None:
        codes = [refusal.code for refusal in refusals]
        for code in codes:
            REFUSED.labels(code).inc()
        self.logger.warning(
            "eventflow.service.receive_refused",
            batch_id=str(batch_id),
            refused=len(codes),
            codes=sorted(set(codes)),
        )


def _among(principal: Principal, checked: Checked) -> AbstractSet[str]:
    """Return of which robots it has to be known whose they are."""
    if principal.organisation_kind == _INSURER:
        return _NONE
    if principal.robot_id is not None:
        return {str(principal.robot_id)}
    return {event.subject for event in checked if not isinstance(event, Refusal)}


def _voice(principal: Principal, known: frozenset[str]) -> Voice:
    """Return for which robots the principal may speak, of those that are known.

    Args:
        principal: who.
        known: robots of their organisation; of an insurer none need be known.
    """
    bound = None if principal.robot_id is None else str(principal.robot_id)
    one = _NONE if bound is None else frozenset({bound})
    if principal.organisation_kind == _INSURER:
        return Voice(one or None, "bound_to_another_robot")
    if bound is None:
        return Voice(known, "robot_not_known")
    if bound in known:
        return Voice(one, "bound_to_another_robot")
    return Voice(_NONE, "robot_not_known")
