"""Events in plain form: how nearly all of them come, read in a fourth of the time.

An event is plain if it is in ASCII without escapes, of its type's own attributes and no
others, about a subject in canonical form, at a time in UTC. msgspec reads and checks it
in one go, and writes it in one go; its form is derived from the type's model. What is
not plain is not wrong: pydantic reads it, and says what is wrong if something is.

Whatever is taken in plain form is what its model would have made of it. So the derived
form has to be as strict as the model, or stricter: each constraint is translated, and
one that is not known here is an error at the start.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

import msgspec
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from msgspec import UNSET, Meta, UnsetType
from pydantic import StringConstraints
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

T = TypeVar("T")
NO_CONTROLS: Final = r"^[^\x00-\x1f\x7f]+$"
"""Of a name; what :func:`may_be_plain` lets pass has no control character anyway."""
# Of the days there are in every year, and years until which none of us will live.
_UTC: Final = re.compile(
    r"(?:19[7-9][0-9]|2[0-9]{3})-(?:"
    r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z"
)
# What is longer is not looked at, and above all not remembered.
_TIME: Final = Annotated[str, Meta(max_length=len("2026-03-02T08:17:21.847123Z"))]
_SUBJECT: Final = Annotated[str, Meta(max_length=len(str(UUID(int=0))))]
_BIGGEST_INTEGER: Final = 2**63 - 1
_LIMITS: Final[Mapping[type[Any], str]] = {
    Ge: "ge",
    Gt: "gt",
    Le: "le",
    Lt: "lt",
    MinLen: "min_length",
    MaxLen: "max_length",
}


class Taken(Protocol):
    """A valid event as it is passed on; msgspec writes it as a CloudEvent.

    Attributes:
        subject: in canonical form.
        time: RFC 3339 in UTC.
    """

    id: str
    source: str
    subject: str
    time: str


class PlainForm:
    """The plain form of a type's events."""

    def __init__(self, model: type[Any]) -> None:
        """Derive it.

        Args:
            model: of the whole event, a dataclass.

        Raises:
            TypeError: there is a constraint or a type that is not known here.
        """
        hints = get_type_hints(model, include_extras=True)
        own: list[Any] = []
        for each in fields(model):
            # Of the time `is_utc` asks for more, and `is_canonical` of the subject.
            plain = _TIME if each.name == "time" else _plain(hints[each.name])
            given = each.default is MISSING
            own.append(
                (each.name, plain) if given else (each.name, plain, each.default)
            )
        # Nothing in an event refers back to it, so nothing is looked at for cycles.
        self._struct: Any = msgspec.defstruct(
            f"Plain{model.__name__}", own, forbid_unknown_fields=True, gc=False
        )
        self._one: msgspec.json.Decoder[Taken] = msgspec.json.Decoder(self._struct)
        self._several: msgspec.json.Decoder[list[Taken]] = msgspec.json.Decoder(
            list[self._struct]  # type: ignore[name-defined]  # a type that is a value
        )

    def one(self, body: bytes) -> Taken | None:
        """Read an event; None if it is not plain."""
        return _decoded(self._one.decode, body)

    def several(self, body: bytes) -> list[Taken] | None:
        """Read an array of events; None if not all of them are plain."""
        return _decoded(self._several.decode, body)

    def of(self, event: Any) -> Taken:
        """Write a validated event in this form."""
        time: datetime = event.time
        own: dict[str, Any] = {
            **vars(event),
            "subject": str(event.subject),
            "time": time.astimezone(UTC).isoformat(),
        }
        taken: Taken = self._struct(**own)
        return taken


def may_be_plain(body: bytes) -> bool:
    """Whether a body has nothing by which readers of JSON could differ."""
    return body.isascii() and b"\\" not in body and b"\x7f" not in body


@lru_cache(maxsize=100_000)
def is_utc(time: str) -> bool:
    """Whether a time is written as UTC; many events are of the same millisecond."""
    return _UTC.fullmatch(time) is not None


@lru_cache(maxsize=100_000)
def is_canonical(subject: str) -> bool:
    """Whether it is a UUID as it is usually written."""
    try:
        return str(UUID(subject)) == subject
    except ValueError:
        return False


def _decoded(decode: Callable[[bytes], T], body: bytes) -> T | None:
    try:
        return decode(body)
    except (msgspec.DecodeError, ValueError):
        return None


def _plain(hint: Any, metadata: tuple[Any, ...] = ()) -> Any:
    """Return what msgspec has to check so that a value is one of this type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _plain(arguments[0], _flat(hint.__metadata__))
    if origin in {Union, types.UnionType}:
        # Of "a number from 0 to 100, or null" the limits concern the number.
        kinds = [_plain(e, () if e is types.NoneType else metadata) for e in arguments]
        return Union[tuple(kinds)]  # noqa: UP007 - of a tuple
    if origin is list:
        return _limited(list[_plain(arguments[0])], metadata)  # type: ignore[misc]  # a type that is a value
    return _readings(hint) if is_typeddict(hint) else _single(hint, metadata)


def _single(hint: Any, metadata: tuple[Any, ...]) -> Any:
    if hint is UUID:
        return _SUBJECT
    if get_origin(hint) is Literal:
        return hint
    if hint in {str, float, int, bool, types.NoneType}:
        return _limited(hint, metadata)
    raise TypeError(f"no plain form of {hint}")


def _readings(hint: Any) -> Any:
    """Return a structure that remembers what was sent, be it null, and what was not."""
    hints = get_type_hints(hint, include_extras=True)
    required: frozenset[str] = hint.__required_keys__
    ordered = sorted(hints.items(), key=lambda item: item[0] not in required)
    own: list[Any] = [
        (name, _plain(each))
        if name in required
        else (name, _plain(each) | UnsetType, UNSET)
        for name, each in ordered
    ]
    return msgspec.defstruct(
        f"Plain{hint.__name__}", own, forbid_unknown_fields=True, gc=False
    )


def _flat(metadata: tuple[Any, ...]) -> tuple[Any, ...]:
    found: list[Any] = []
    for each in metadata:
        found += each.metadata if isinstance(each, FieldInfo) else [each]
    return tuple(found)


def _limited(hint: Any, metadata: tuple[Any, ...]) -> Any:
    limits: dict[str, Any] = {}
    for each in metadata:
        limits |= _limit(hint, each)
    if hint is int:
        limits.setdefault("le", _BIGGEST_INTEGER)
    return Annotated[hint, Meta(**limits)] if limits else hint


def _limit(hint: Any, constraint: object) -> Mapping[str, Any]:
    """Translate a constraint.

    Raises:
        TypeError: it is not known here.
    """
    if isinstance(constraint, StringConstraints) and not _unknown_of(constraint):
        return _string_limits(constraint)
    name = _LIMITS.get(type(constraint))
    if name is None:
        raise TypeError(f"no plain form of {constraint}")
    limit = getattr(constraint, name)
    # 2**63, below which an integer has to be, is more than msgspec compares with.
    return {"le": limit - 1} if name == "lt" and hint is int else {name: limit}


def _unknown_of(constraint: StringConstraints) -> bool:
    known = {"min_length", "max_length", "pattern"}
    return any(
        getattr(constraint, each.name) not in {None, each.default}
        for each in fields(constraint)
        if each.name not in known
    )


def _string_limits(constraint: StringConstraints) -> dict[str, Any]:
    limits = {
        "min_length": constraint.min_length,
        "max_length": constraint.max_length,
        "pattern": None if constraint.pattern == NO_CONTROLS else constraint.pattern,
    }
    return {name: limit for name, limit in limits.items() if limit is not None}
