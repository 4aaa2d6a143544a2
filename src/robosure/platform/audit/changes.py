"""What changed: the fields of mapped objects, before and after, as a flush wrote them.

Read from the unit of work, so that no context has to think of it. What a context
writes beside its aggregates, in SQL, is not seen unless it notes it. Secrets are left
out and personal data is masked as in logs; a column whose name does not tell is marked
``PERSONAL``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic_core import to_jsonable_python
from sqlalchemy import Table, event, inspect
from sqlalchemy.orm import CompositeProperty, Mapper, PassiveFlag, Session
from sqlalchemy.orm.attributes import get_history

from robosure.kernel.aggregate import Aggregate
from robosure.platform.audit.chain import plain
from robosure.platform.correlation import Correlation, current
from robosure.platform.database.mapping import DERIVED, PERSONAL
from robosure.platform.database.session import TellingSession, WriteSession
from robosure.platform.logging import HIDDEN, masked, shortened

LONGEST: Final = 4_000
"""Bytes of JSON up to which a field is written out; a longer one as its digest."""
MOST_NOTED: Final = 100
"""Objects up to which what was noted is named; of more it is said how many."""

_CHANGES: Final = "audit_changes"
_NOTED: Final = "audit_noted"
_ATTENDED: Final = "audit_attended"
_SECRET: Final = re.compile(r"digest|hash|cipher")
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OWNERS: Final = ("insurer_id", "organisation_id")
_NOTHING: Final = object()


@dataclass
class Change:
    """What became of one object in a transaction.

    Attributes:
        because: in the course of what.
        owner: the organisation that the object is an affair of, if it names one.
        aggregate: whether it is something by itself, rather than a part.
        before: fields that changed, as they were; None of an object that is new.
        after: the same, as they are; None of one that is gone.
    """

    object_type: str
    object_id: str
    because: Correlation
    owner: UUID | None
    aggregate: bool
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    def then(self, later: Change) -> None:
        """Take in what a later flush of the transaction did to the object."""
        if later.before is not None and self.before is not None:
            self.before = {**later.before, **self.before}
        if later.after is None:
            self.after = None
        else:
            self.after = {**(self.after or {}), **later.after}

    def shown(self) -> dict[str, Any]:
        """Return it as an entry keeps it."""
        return {
            "object_type": self.object_type,
            "object_id": self.object_id,
            "before": self.before,
            "after": self.after,
        }


def attend(session: Session) -> None:
    """Note that a person or a machine outside acts in this transaction."""
    session.info[_ATTENDED] = True


def note(
    session: WriteSession,
    object_type: str,
    object_id: UUID,
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    personal: Collection[str] = (),
) -> None:
    """Note what SQL did to an object for the one who acts; no flush tells of it.

    Args:
        session: the transaction that did it.
        object_type: what such objects are called: ``dead_letter``.
        object_id: which one.
        before: fields that changed, as they were.
        after: the same, as they are.
        personal: names, in a field that is a mapping, of what is personal though it
            does not sound so.
    """
    session.info[_NOTED] = session.info.get(_NOTED, 0) + 1
    if session.info[_NOTED] > MOST_NOTED:
        return

    def shown(values: Mapping[str, Any]) -> dict[str, Any]:
        named = (_Field(name, (), None, frozenset(personal)) for name in values)
        return {field.name: field.shown(values[field.name]) for field in named}

    change = Change(
        object_type=object_type,
        object_id=str(object_id),
        because=current(),
        owner=None,
        aggregate=False,
        before=shown(before),
        after=shown(after),
    )
    _keep(session.sync_session, change)


def noted_in(session: Session) -> int:
    """Take how many objects were noted, named or not."""
    noted: int = session.info.pop(_NOTED, 0)
    return noted


def changes_of(session: Session) -> list[Change]:
    """Take what the transaction changed, in the order in which it began to."""
    noted: dict[tuple[str, str], Change] = session.info.pop(_CHANGES, {})
    return list(noted.values())


@event.listens_for(TellingSession, "after_flush")
def _note(session: Session, _context: Any) -> None:
    """Note what a flush wrote; the objects still know what they were before it."""
    attended = _ATTENDED in session.info
    for instances, fate in (
        (session.new, "new"),
        (session.dirty, "changed"),
        (session.deleted, "gone"),
    ):
        for instance in instances:
            change = _change_of(instance, fate, attended=attended)
            if change is not None:
                _keep(session, change)


def _keep(session: Session, change: Change) -> None:
    key = change.object_type, change.object_id
    noted: dict[Any, Change] = session.info.setdefault(_CHANGES, {})
    if key in noted:
        noted[key].then(change)
    else:
        noted[key] = change


def _change_of(instance: object, fate: str, *, attended: bool) -> Change | None:
    """Return what became of an object; None if nothing did that is to be told."""
    mapper: Mapper[Any] = inspect(instance).mapper
    if not attended and _is_derived(mapper):
        return None
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    is_new, is_gone = fate == "new", fate == "gone"
    for field in _fields_of(mapper):
        was, is_ = field.read(instance, whole=is_new or is_gone)
        if was is _NOTHING:
            continue
        if not is_new:
            before[field.name] = field.shown(was)
        if not is_gone and not (is_new and is_ is None):
            after[field.name] = field.shown(is_)
    if not before and not after:
        return None
    key = mapper.primary_key_from_instance(instance)
    return Change(
        object_type=object_type_of(type(instance)),
        object_id=":".join(map(str, key)),
        because=current(),
        owner=_owner_of(instance),
        aggregate=isinstance(instance, Aggregate),
        before=None if is_new else before,
        after=None if is_gone else after,
    )


def object_type_of(kind: type) -> str:
    """Return what objects of a class are called: ``api_key``."""
    return _WORDS.sub("_", kind.__name__).lower()


def _owner_of(instance: object) -> UUID | None:
    for name in _OWNERS:
        owner = getattr(instance, name, None)
        if isinstance(owner, UUID):
            return owner
    return None


def _is_derived(mapper: Mapper[Any]) -> bool:
    table = mapper.local_table
    return isinstance(table, Table) and DERIVED.items() <= table.info.items()


@dataclass(frozen=True)
class _Field:
    """A column of an object, or the value object that several make.

    Attributes:
        name: of the field, as shown.
        keys: attributes that hold its columns.
        composite: makes the value object of them, if it is one.
        personal: names of what is personal though it does not sound so.
    """

    name: str
    keys: tuple[str, ...]
    composite: type | None
    personal: frozenset[str]

    def read(self, instance: object, *, whole: bool) -> tuple[Any, Any]:
        """Return the field before and after; nothing, where it did not change."""
        histories = [
            get_history(instance, k, PassiveFlag.PASSIVE_NO_INITIALIZE)
            for k in self.keys
        ]
        if not whole and not any(history.added for history in histories):
            return _NOTHING, _NOTHING
        is_ = [getattr(instance, key) for key in self.keys]
        was = [
            history.deleted[0] if history.deleted else value
            for history, value in zip(histories, is_, strict=True)
        ]
        return self._made(was), self._made(is_)

    def _made(self, values: list[Any]) -> Any:
        if self.composite is None:
            return values[0]
        if all(value is None for value in values):
            return None
        names = [each.name for each in fields(self.composite)]
        return dict(zip(names, values, strict=True))

    def shown(self, value: Any) -> Any:
        """Return the field as JSON, without secrets, masked, and of bounded length."""
        if value is None:
            return None
        if _SECRET.search(self.name):
            return HIDDEN
        told = masked(self.name, _jsonable(value))
        if self.composite is None and self.personal and isinstance(told, str):
            told = shortened(told)
        elif isinstance(told, dict):
            told = {k: self._part(str(k), v) for k, v in told.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON
        told = plain(told)
        written = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
        if len(written) <= LONGEST:
            return told
        return {"bytes": len(written), "sha256": hashlib.sha256(written).hexdigest()}

    def _part(self, name: str, value: Any) -> Any:
        personal = name in self.personal and isinstance(value, str)
        return shortened(value) if personal else value


@cache
def _fields_of(mapper: Mapper[Any]) -> tuple[_Field, ...]:
    composites = list(_composites_of(mapper))
    taken = {key for field in composites for key in field.keys}
    columns = (
        _Field(
            name=prop.key.lstrip("_"),
            keys=(prop.key,),
            composite=None,
            personal=frozenset({prop.key} if _is_personal(prop.columns[0]) else ()),
        )
        for prop in mapper.column_attrs
        if prop.key not in taken and prop.columns[0] is not mapper.version_id_col
    )
    return (*columns, *composites)


def _composites_of(mapper: Mapper[Any]) -> Iterator[_Field]:
    for prop in mapper.composites:
        kind = _class_of(prop)
        names = [each.name for each in fields(kind)]
        parts: list[Any] = list(prop.props)
        yield _Field(
            name=prop.key,
            keys=tuple(part.key for part in parts),
            composite=kind,
            personal=frozenset(
                name
                for name, part in zip(names, parts, strict=True)
                if _is_personal(part.columns[0])
            ),
        )


def _class_of(prop: CompositeProperty[Any]) -> Any:
    return prop.composite_class


def _is_personal(column: Any) -> bool:
    info: Mapping[Any, Any] = column.info
    return PERSONAL.items() <= info.items()


def _jsonable(value: Any) -> Any:
    return to_jsonable_python(
        value, bytes_mode="base64", inf_nan_mode="strings", fallback=str
    )
