"""Entries: written by the last statement of the transaction that they tell of.

That one statement moves the head of the organisation's chain and adds the entry after
it. So writers of one organisation wait for each other from there to the commit and no
longer, never while they hold the head and want something else; and a transaction that
is rolled back leaves no gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, bindparam, event, func, literal, select
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from robosure.kernel.ids import uuid7
from robosure.kernel.time import Clock
from robosure.platform import outbox
from robosure.platform.audit.chain import GENESIS, digest
from robosure.platform.audit.changes import (
    MOST_NOTED,
    Change,
    changes_of,
    noted_in,
)
from robosure.platform.audit.tables import PLATFORM_CHAIN, audit_entries, audit_heads
from robosure.platform.correlation import current
from robosure.platform.database.session import TellingSession, WriteSession, clock_of
from robosure.platform.security.principal import Principal

_ACT: Final = "audit_act"
_SUFFIX: Final = "_id"
_NOT_GIVEN: Final = frozenset({"sequence", "previous_hash", "hash"})
_GIVEN: Final = [c for c in audit_entries.columns if c.name not in _NOT_GIVEN]
ADDRESS_LENGTH: Final = 64
USER_AGENT_LENGTH: Final = 200


class ActorKind(StrEnum):
    """What kind of actor did it."""

    USER = "user"
    API_KEY = "api_key"
    ANONYMOUS = "anonymous"
    PLATFORM = "platform"


@dataclass(frozen=True)
class Origin:
    """Where a request came from, as far as it is known; shortened when it is kept."""

    address: str | None = None
    user_agent: str | None = None


def record(
    session: WriteSession,
    *,
    principal: Principal | None,
    action: str,
    subject: Mapping[str, str],
    clock: Clock,
    origin: Origin | None = None,
) -> None:
    """Have an entry added at the commit; it is kept if, and only if, the change is.

    Args:
        session: the transaction that makes the change.
        principal: who; None for someone who is not signed in.
        action: such as ``POST /api/v1/quotes/{quote_id}/bind``.
        subject: which object: the path's parameters. If more objects were noted than
            are named, ``changed`` is added, which says how many.
        clock: says when.
        origin: from where.
    """
    origin = origin or Origin()
    organisation_id = principal.organisation_id if principal else None
    session.info[_ACT] = {
        "id": uuid7(),
        "at": clock.now(),
        "actor": principal.subject if principal else None,
        "actor_kind": principal.kind if principal else ActorKind.ANONYMOUS.value,
        "actor_name": principal.name if principal else ActorKind.ANONYMOUS.value,
        "actor_organisation_id": organisation_id,
        "organisation_id": organisation_id,
        "action": action,
        "subject": dict(subject),
        "address": _bounded(origin.address, ADDRESS_LENGTH),
        "user_agent": _bounded(origin.user_agent, USER_AGENT_LENGTH),
        "correlation_id": current().correlation_id,
        "outcome": "completed",
    }


def _bounded(text: str | None, length: int) -> str | None:
    return None if text is None else text.replace("\x00", "")[:length]


def _write(session: Session) -> None:
    """Write what the transaction did; registered after the outbox, so the last."""
    if session.in_nested_transaction():
        return  # a savepoint may still be rolled back
    outbox.attribute_facts(session)
    act: dict[str, Any] | None = session.info.pop(_ACT, None)
    changes, noted = changes_of(session), noted_in(session)
    if act is not None:
        if noted > MOST_NOTED:
            act["subject"]["changed"] = str(noted)
        entries = [{**act, **_about(act["subject"], changes)}]
    else:
        entries = list(_unattended(session, changes)) if changes else []
    # Several chains are taken in one order, so that nobody waits in a circle.
    for entry in sorted(entries, key=_chain_of):
        values = {f"new_{column.name}": entry[column.name] for column in _GIVEN}
        session.connection().execute(
            _APPEND,
            {**values, "chain": _chain_of(entry), "digest": digest(entry)},
        )


event.listen(TellingSession, "before_commit", _write)


def _chain_of(entry: Mapping[str, Any]) -> UUID:
    return entry["organisation_id"] or PLATFORM_CHAIN


def _about(subject: Mapping[str, str], changes: list[Change]) -> dict[str, Any]:
    """Say which objects an entry is about, and above all which one.

    That is the last one the path names, or else what was made, or what was changed.
    """
    main: tuple[str, str] | None = None
    named = [(name, i) for name, i in subject.items() if name.endswith(_SUFFIX)]
    if named:
        name, main_id = named[-1]
        kinds = [c.object_type for c in changes if c.object_id == main_id]
        main = (kinds[0] if kinds else name.removesuffix(_SUFFIX)), main_id
    elif changes:
        made = [c for c in changes if c.before is None]
        of_weight = [c for c in (*made, *changes) if c.aggregate]
        first = (*of_weight, *made, *changes)[0]
        main = first.object_type, first.object_id
    touched = {(change.object_type, change.object_id) for change in changes}
    touched |= {(name.removesuffix(_SUFFIX), i) for name, i in named}
    touched |= {main} if main else set()
    return {
        "object_type": main[0] if main else None,
        "object_id": main[1] if main else None,
        "objects": sorted({kind for kind, _ in touched} | set(map(keyed, touched))),
        "changes": [change.shown() for change in changes],
    }


def keyed(touched: tuple[str, str]) -> str:
    """Return what finds the entries about an object of that type and id."""
    return ":".join(touched)


def _unattended(
    session: Session, changes: Iterable[Change]
) -> Iterator[dict[str, Any]]:
    """Tell what the platform did by itself: an entry per cause and organisation."""
    at = clock_of(session).now()
    for because, group in groupby(changes, attrgetter("because")):
        found = list(group)
        owners = [change.owner for change in found if change.aggregate]
        for owner in dict.fromkeys(owners):
            # What belongs to nobody in particular goes with the first.
            whose = {owner, None} if owner is owners[0] else {owner}
            theirs = [change for change in found if change.owner in whose]
            yield {
                "id": uuid7(),
                "at": at,
                "actor": None,
                "actor_kind": ActorKind.PLATFORM.value,
                "actor_name": "platform",
                "actor_organisation_id": None,
                "organisation_id": owner,
                "action": (because.task or "unattended")[:200],
                "subject": {},
                "address": None,
                "user_agent": None,
                "correlation_id": because.correlation_id,
                "outcome": "completed",
                **_about({}, theirs),
            }


def _appending() -> Any:
    """Make the statement that moves the head on, and adds the entry that it says."""
    heads = audit_heads
    given = bindparam("digest", type_=LargeBinary())

    def linked(previous: Any, sequence: Any) -> Any:
        return func.sha256(
            previous.op("||")(func.int8send(sequence)).op("||")(given),
            type_=LargeBinary(),
        )

    genesis = literal(GENESIS, LargeBinary())
    first = insert(heads).values(
        organisation_id=bindparam("chain"),
        count=1,
        previous_hash=genesis,
        hash=linked(genesis, literal(1, BigInteger())),
    )
    head = (
        first.on_conflict_do_update(
            index_elements=[heads.c.organisation_id],
            set_={
                "count": heads.c.count + 1,
                "previous_hash": heads.c.hash,
                "hash": linked(heads.c.hash, heads.c.count + 1),
            },
        )
        .returning(heads.c.count, heads.c.previous_hash, heads.c.hash)
        .cte("head")
    )
    values = [bindparam(f"new_{each.name}", type_=each.type) for each in _GIVEN]
    names = [each.name for each in _GIVEN]
    return plain_insert(audit_entries).from_select(
        [*names, "sequence", "previous_hash", "hash"],
        select(*values, head.c.count, head.c.previous_hash, head.c.hash),
    )


_APPEND: Final = _appending()
