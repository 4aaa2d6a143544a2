"""Compatibility of JSON Schemas: whether what one describes can be read by another.

As schema registries have it, a schema is *backward* compatible with the published one
if whatever that one took is still taken, and kept. Senders outside depend on this. It
is *fully* compatible if, besides, whoever knows the published one can read what is
written from now on. Facts need both: a stream holds old ones when a new listener reads
it again, and new ones while an old listener is still running.

The comparison is of structure and errs on the safe side: a keyword that it does not
know has to stay as it is. Titles, descriptions, defaults and examples do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Schema = Mapping[str, Any]
Rule = Literal[
    "field_removed",
    "field_required",
    "field_claimed",
    "fields_closed",
    "type_narrowed",
    "values_removed",
    "constraint_tightened",
]


@dataclass(frozen=True)
class Break:
    """A way in which a schema breaks with the published one.

    Attributes:
        path: of what breaks, such as ``data.joint_currents[]``; empty for the whole.
        detail: what breaks, in words.
    """

    path: str
    rule: Rule
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}" if self.path else self.detail


def backward_breaks(published: Schema, proposed: Schema) -> list[Break]:
    """Return why not all that the published schema took is taken and kept any more."""
    gaps = _Comparison(published, proposed).gaps()
    return [Break(gap.path, gap.rule, _SENDER[gap.rule] % gap.words) for gap in gaps]


def full_breaks(published: Schema, proposed: Schema) -> list[Break]:
    """Return why old facts cannot be read any more, or new ones not by old listeners.

    Facts hold the fields that their schema declares and no others, and a listener
    passes over fields that it does not know.
    """
    old = _Comparison(published, proposed, declared_only=True).gaps()
    new = _Comparison(
        proposed, published, declared_only=True, passes_over_unknown=True
    ).gaps()
    return [
        *(Break(gap.path, gap.rule, _SENDER[gap.rule] % gap.words) for gap in old),
        *(Break(gap.path, gap.rule, _LISTENER[gap.rule] % gap.words) for gap in new),
    ]


_SENDER: Final[Mapping[Rule, str]] = {
    "field_removed": "the field is gone",
    "field_required": "the field is required now",
    "field_claimed": "the name was free for any value before, and is not now",
    "fields_closed": "takes no further fields any more",
    "type_narrowed": "takes no %s any more",
    "values_removed": "takes no %s any more",
    "constraint_tightened": "had %s and has %s",
}
_LISTENER: Final[Mapping[Rule, str]] = {
    **_SENDER,
    "field_required": "the field is not always there any more",
    "fields_closed": "further fields may be there, which listeners refuse",
    "type_narrowed": "may be %s, which listeners do not know",
    "values_removed": "may be %s, which listeners do not know",
    "constraint_tightened": "has %s, and listeners go by %s",
}

_ANNOTATIONS: Final = frozenset(
    {"$schema", "$id", "$comment", "$defs", "title", "description", "default"}
    | {"examples", "deprecated", "readOnly", "writeOnly"}
)
_STRUCTURE: Final = frozenset(
    {"type", "enum", "const", "properties", "required", "additionalProperties"}
    | {"items", "prefixItems"}
)
_AT_MOST: Final = ("maxLength", "maxItems", "maxProperties")
_AT_LEAST: Final = ("minLength", "minItems", "minProperties")
_BOUNDS: Final = ("maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum")
_COMPARED: Final = _STRUCTURE.union(_AT_MOST, _AT_LEAST, _BOUNDS)
_ANYTHING: Final[Schema] = {}


@dataclass(frozen=True)
class _Gap:
    path: str
    rule: Rule
    words: tuple[object, ...] = ()


@dataclass(frozen=True)
class _Side:
    """A schema and the document in which its references are."""

    root: Schema

    def alternatives(self, schema: Schema | bool) -> list[Schema]:  # noqa: FBT001 - JSON Schema has boolean schemas
        """Return what a value may be, each a schema with at most one type."""
        if isinstance(schema, bool):
            return [_ANYTHING] if schema else []
        plain = {k: v for k, v in schema.items() if k not in _ANNOTATIONS}
        if (reference := plain.pop("$ref", None)) is not None:
            return self.alternatives({**self._resolved(reference), **plain})
        for keyword in ("anyOf", "oneOf"):
            if (branches := plain.pop(keyword, None)) is not None:
                return [
                    each
                    for branch in branches
                    for each in self.alternatives({**plain, **branch})
                ]
        if isinstance(plain.get("type"), list):
            return [{**plain, "type": each} for each in plain["type"]]
        return [plain]

    def _resolved(self, reference: str) -> Schema:
        found: Any = self.root
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        resolved: Schema = found
        return resolved


class _Comparison:
    """Finds what is written to one schema and not read by another.

    Args:
        written: what is written is true to this schema.
        read: what is read has to be true to this one.
        declared_only: whether no fields are written but those that are declared.
        passes_over_unknown: whether readers may pass over fields they do not know; if
            not, passing over one counts as losing it.
    """

    def __init__(
        self,
        written: Schema,
        read: Schema,
        *,
        declared_only: bool = False,
        passes_over_unknown: bool = False,
    ) -> None:
        self._written = _Side(written)
        self._read = _Side(read)
        self._declared_only = declared_only
        self._passes_over_unknown = passes_over_unknown
        self._open: list[tuple[object, object]] = []

    def gaps(self) -> list[_Gap]:
        """Return every one, in the order of the written schema."""
        return list(self._compare(self._written.root, self._read.root, ""))

    def _compare(self, written: Any, read: Any, path: str) -> Iterator[_Gap]:
        if (written, read) in self._open:
            return  # a schema within itself: it is being compared already
        self._open.append((written, read))
        readable = self._read.alternatives(read)
        for each in self._written.alternatives(written):
            yield from self._unreadable(each, readable, path)
        self._open.pop()

    def _unreadable(
        self, written: Schema, readable: Sequence[Schema], path: str
    ) -> Iterator[_Gap]:
        """Say why none of the alternatives reads this, going by the closest one."""
        found = [
            list(self._of_one(written, read, path))
            for read in readable
            if _type_is_read(written, read)
        ]
        if not found:
            what = written.get("type", "value of any type")
            yield _Gap(path, "type_narrowed", (what,))
        else:
            yield from min(found, key=len)

    def _of_one(self, written: Schema, read: Schema, path: str) -> Iterator[_Gap]:
        yield from _values(written, read, path)
        yield from _limits(written, read, path)
        yield from self._arrays(written, read, path)
        yield from self._objects(written, read, path)

    def _arrays(self, written: Schema, read: Schema, path: str) -> Iterator[_Gap]:
        if not {"items", "prefixItems"} & {*written, *read}:
            return
        ours, theirs = written.get("prefixItems", []), read.get("prefixItems", [])
        rest, rest_read = written.get("items", True), read.get("items", True)
        for place in range(max(len(ours), len(theirs))):
            yield from self._compare(
                ours[place] if place < len(ours) else rest,
                theirs[place] if place < len(theirs) else rest_read,
                f"{path}[{place}]",
            )
        yield from self._compare(rest, rest_read, f"{path}[]")

    def _objects(self, written: Schema, read: Schema, path: str) -> Iterator[_Gap]:
        if "object" not in (written.get("type"), read.get("type")):
            return
        declared: Schema = written.get("properties", {})
        known: Schema = read.get("properties", {})
        further = written.get("additionalProperties", not self._declared_only)
        further_read = read.get("additionalProperties", True)
        for name, schema in declared.items():
            yield from self._field(
                schema, known.get(name), further_read, _below(path, name)
            )
        for name in read.get("required", ()):
            if name not in written.get("required", ()):
                yield _Gap(_below(path, name), "field_required")
        if further is False:
            return
        for name in known.keys() - declared.keys():
            if any(self._compare(further, known[name], "")):
                yield _Gap(_below(path, name), "field_claimed")
        if further_read is False:
            yield _Gap(path, "fields_closed")
        else:
            yield from self._compare(further, further_read, _below(path, "*"))

    def _field(
        self, written: Any, read: Any, further_read: Any, path: str
    ) -> Iterator[_Gap]:
        if read is not None:
            yield from self._compare(written, read, path)
        elif further_read is False or (
            further_read is True and not self._passes_over_unknown
        ):
            yield _Gap(path, "field_removed")
        else:
            yield from self._compare(written, further_read, path)


def _type_is_read(written: Schema, read: Schema) -> bool:
    type_ = read.get("type")
    return (
        type_ is None
        or written.get("type") == type_
        or (written.get("type"), type_) == ("integer", "number")
    )


def _values(written: Schema, read: Schema, path: str) -> Iterator[_Gap]:
    known = _listed(read)
    if known is None:
        return
    chosen = _listed(written)
    if chosen is None:
        yield _Gap(path, "values_removed", ("other than " + _words(known),))
    elif lost := [value for value in chosen if value not in known]:
        yield _Gap(path, "values_removed", (_words(lost),))


def _listed(schema: Schema) -> list[Any] | None:
    """Return the values a schema lists; None if it lists none."""
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _words(values: Sequence[object]) -> str:
    return " or ".join(map(repr, values))


def _limits(written: Schema, read: Schema, path: str) -> Iterator[_Gap]:
    for keyword in _AT_MOST:
        limit, was = read.get(keyword), written.get(keyword)
        if limit is not None and (was is None or was > limit):
            yield _tightened(path, written, keyword, read, keyword)
    for keyword in _AT_LEAST:
        if written.get(keyword, 0) < read.get(keyword, 0):
            yield _tightened(path, written, keyword, read, keyword)
    for inclusive, exclusive, sign in (
        ("maximum", "exclusiveMaximum", 1),
        ("minimum", "exclusiveMinimum", -1),
    ):
        bound, keyword = _bound(read, inclusive, exclusive, sign)
        was, old_keyword = _bound(written, inclusive, exclusive, sign)
        if was > bound:
            yield _tightened(path, written, old_keyword, read, keyword)
    for keyword in sorted(read.keys() - _COMPARED):
        if read[keyword] != written.get(keyword):
            yield _tightened(path, written, keyword, read, keyword)


def _bound(
    schema: Schema, inclusive: str, exclusive: str, sign: int
) -> tuple[tuple[float, bool], str]:
    """Return the tighter of two bounds, in an order where less is tighter."""
    bounds: list[tuple[tuple[float, bool], str]] = [
        ((sign * schema[keyword], keyword == inclusive), keyword)
        for keyword in (inclusive, exclusive)
        if keyword in schema
    ]
    return min(bounds, default=((float("inf"), True), inclusive))


def _tightened(
    path: str, written: Schema, old_keyword: str, read: Schema, keyword: str
) -> _Gap:
    old = f"{old_keyword} {written[old_keyword]!r}" if old_keyword in written else None
    words = (old or f"no {old_keyword}", f"{keyword} {read[keyword]!r}")
    return _Gap(path, "constraint_tightened", words)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
