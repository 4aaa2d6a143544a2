"""Hostile telemetry: what a careless or malicious sender may put on the wire, seeded.

Good events are mixed with malformed, oversized, repeated, late and forged ones. Of each
event it is known beforehand whether it has to be taken in, has to be refused, or may be
either; the good ones are for robots of their own, whose exact count is known.
"""

from __future__ import annotations

import gzip
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random
from typing import Any, Final
from uuid import UUID

import orjson

SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
LINES: Final = "application/x-ndjson"
TELEMETRY: Final = "robot.telemetry.v1"
EVENTS_AT_ONCE: Final = 1_000
MAX_BODY_BYTES: Final = 8 * 1024 * 1024

Json = dict[str, Any]

ANY_REFUSAL: Final = frozenset(range(400, 500))
TAKEN: Final = frozenset({202})
EITHER_WAY: Final = ANY_REFUSAL | TAKEN
_START: Final = datetime.now(UTC).replace(microsecond=0)
_TRICKS: Final = (
    "", "é", "e\u0301", "\u202egnp.exe", "\u200b", "\ufeff", "\U0001f916" * 20,
    "ﬃ", "\uffff", "\u2028", "İ", "'; DROP TABLE events; --", "%00", "../../etc/passwd",
    "{{7*7}}", "${jndi:ldap://x}", "<script>", "\\u0000", "A" * 200, "\u0301" * 60,
)  # fmt: skip


class Fate(Enum):
    """What has to become of an event."""

    GOOD = "taken in, and stored once"
    REPEAT = "taken in, and recognised as a repeat"
    BAD = "refused"
    UNSURE = "taken in or refused"


@dataclass(frozen=True, slots=True)
class Item:
    """One event as it is written, and its fate; a good one's robot and id."""

    text: bytes
    fate: Fate
    robot: UUID | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and how it may be answered.

    Attributes:
        items: the events in it, where the body as a whole can be read.
        statuses: that it may be answered with.
        chunked: to be sent in chunks, without telling its length.
    """

    content_type: str | None
    body: bytes
    items: Sequence[Item] = ()
    statuses: frozenset[int] = TAKEN
    chunked: bool = False

    @property
    def size(self) -> int:
        """How many events it is; a body that cannot be read is one."""
        return max(1, len(self.items))

    def count(self, *fates: Fate) -> int:
        """How many of its events have one of these fates."""
        return sum(item.fate in fates for item in self.items)


@dataclass
class Hostility:
    """Makes requests; the same seed makes the same ones.

    Attributes:
        own: the sender's robots, of which every event is good.
        edge: the sender's robots, about which it says strange things.
        foreign: somebody else's robots.
        good: the ids of all good events so far, by robot.
    """

    seed: int
    own: Sequence[UUID]
    edge: Sequence[UUID]
    foreign: Sequence[UUID]
    good: dict[UUID, set[str]] = field(default_factory=dict[UUID, set[str]])

    def __post_init__(self) -> None:
        self._chance = Random(self.seed)
        self._number = 0
        self._recent: deque[Item] = deque(maxlen=5_000)
        self.good.update({robot: set() for robot in self.own})

    def requests(self, events: int) -> Iterator[Request]:
        """Make requests with so many events in them, or a few more.

        It begins with one of each kind that is broken as a whole, however few follow.
        """
        made = 0
        worst = deque([*_OVERSIZED, *_BROKEN])
        while made < events or worst:
            request = worst.popleft()(self) if worst else self._request()
            made += request.size
            yield request

    def _request(self) -> Request:
        kind = self._chance.random()
        if kind < 0.50:
            return self._batch()
        if kind < 0.70:
            return self._lines()
        if kind < 0.80:
            return self._single()
        if kind < 0.99:
            return self._chance.choice(_BROKEN)(self)
        return self._chance.choice(_OVERSIZED)(self)

    def _batch(self) -> Request:
        size = self._chance.choice((1, 10, 100, 500, EVENTS_AT_ONCE))
        items = [self._item() for _ in range(size)]
        body = b"[" + b",".join(item.text for item in items) + b"]"
        return Request(BATCH, body, items, chunked=self._chance.random() < 0.1)

    def _lines(self) -> Request:
        items = [self._item() for _ in range(self._chance.randrange(1, 400))]
        # A line that is no JSON is refused alone.
        items += [Item(self._chance.choice(_NO_LINES), Fate.BAD) for _ in range(3)]
        items.append(self.good_item())
        self._chance.shuffle(items)
        return Request(LINES, b"\n".join(item.text for item in items), items)

    def _single(self) -> Request:
        item = self._item()
        return Request(SINGLE, item.text, [item])

    def _item(self) -> Item:
        kind = self._chance.random()
        if kind < 0.55:
            return self.good_item()
        if kind < 0.65 and self._recent:
            repeated = self._chance.choice(self._recent)
            return Item(repeated.text, Fate.REPEAT, repeated.robot, repeated.id)
        if kind < 0.90:
            return Item(self._bad_text(), Fate.BAD)
        event = self.event(self._chance.choice(self.edge))
        self._chance.choice(_STRANGE)(self, event)
        return Item(_written(event), Fate.UNSURE)

    def good_item(self) -> Item:
        """Make an event that has to be stored, at any time of the last days."""
        event = self.event(self._chance.choice(self.own))
        robot = UUID(event["subject"])
        self.good[robot].add(event["id"])
        item = Item(orjson.dumps(event), Fate.GOOD, robot, event["id"])
        self._recent.append(item)
        return item

    def event(self, robot: UUID) -> Json:
        """Make a valid event, with an id that is hard to tell from others."""
        self._number += 1
        chance = self._chance
        at = _START - timedelta(seconds=chance.randrange(3 * 86_400))
        return {
            "specversion": "1.0",
            "id": f"{self.seed}-{self._number}{chance.choice(_TRICKS)}",
            "source": f"/hostile/{robot}",
            "type": TELEMETRY,
            "subject": str(robot),
            "time": at.isoformat(),
            "data": {"speed": round(chance.uniform(0, 3), 3), "cycle": self._number},
        }

    def _bad_text(self) -> bytes:
        chance = self._chance
        if chance.random() < 0.15:
            return chance.choice(_NO_EVENTS)
        event = self.event(chance.choice(self.edge))
        chance.choice(_WRONGS)(self, event)
        return _written(event)

    @property
    def chance(self) -> Random:
        """What decides; seeded."""
        return self._chance


def _written(event: Json) -> bytes:
    # Not orjson, which refuses to write numbers that only attackers do.
    return json.dumps(event, ensure_ascii=False).encode()


Change = Callable[[Hostility, Json], None]


def _putting(name: str, *values: Any) -> Change:
    """Return what puts one of these values in the place of an attribute."""

    def put(hostility: Hostility, event: Json) -> None:
        event[name] = hostility.chance.choice(values)

    return put


def _reading(name: str, *values: Any) -> Change:
    """Return what puts one of these values in the place of a reading."""

    def put(hostility: Hostility, event: Json) -> None:
        event["data"] = {name: hostility.chance.choice(values)}

    return put


def _leave_out(hostility: Hostility, event: Json) -> None:
    required = [name for name in event if name != "datacontenttype"]
    del event[hostility.chance.choice(required)]


def _speak_for_another(hostility: Hostility, event: Json) -> None:
    event["subject"] = str(hostility.chance.choice(hostility.foreign))


def _speak_for_nobody(hostility: Hostility, event: Json) -> None:
    event["subject"] = str(UUID(int=hostility.chance.getrandbits(128)))


def _take_anothers_name(hostility: Hostility, event: Json) -> None:
    event["source"] = f"/robots/{hostility.chance.choice(hostility.own)}"


_NO_EVENTS: Final = (b"1", b'"event"', b"null", b"[]", b"true", b"{}", b"-0.0", b"[[]]")
_NO_LINES: Final = (
    b"{", b"}{", b"\xff\xfe", b'{"id": "\xc3"}', b"NaN", b"{'id': 1}", b"\x00",
    b'{"id": 1,}', b"nul", b'"', b"]", b'{"a":1}{"b":2}',
)  # fmt: skip
_WRONGS: Final[Sequence[Change]] = (
    _leave_out,
    _speak_for_another,
    _speak_for_nobody,
    _take_anothers_name,
    _putting("specversion", "0.3", "1", 1.0, None, ["1.0"]),
    _putting("id", 1, None, "", [], {}, "i" * 256, "a\x00b", "a\nb", "\x7f", True),
    _putting("source", 1, None, "", "s" * 256, "\x1f", {"a": 1}),
    _putting("type", 1, None, "", "robot.telemetry.v2", "ROBOT.TELEMETRY.V1", [], {}),
    _putting("subject", 1, None, "", "robot-1", [], "0" * 31, "\x00", "' OR 1=1 --"),
    _putting(
        "time",
        1772438241, "1772438241", None, "", "now", "2026-13-01T00:00:00Z", [], True,
        "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T25:00:00Z",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
        "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
    ),
    _putting("data", None, [], "data", 1, True, {"": 1}, {"unknown": 1}, {"speed ": 1}),
    _putting("datacontenttype", "text/xml", "", 1, None, "application/jsonx"),
    _reading("speed", "1.0", True, [], {}, "NaN", [1.0]),
    _reading("battery", -1, 101, "50", 1e308, True),
    _reading("cycle", 2**63, -(2**63) - 1, 1.5, "1", True, 1e300),
    _reading("protective_stop", 0, 1, "true", [], 1.0),
    _reading("joint_currents", 1.0, "1", {}, [True], ["1"], [0.0] * 129, [[1.0]]),
    _reading("joint_speeds", [0.0] * 1_000),
    _reading("__proto__", {"polluted": True}),
)  # fmt: skip
"""Each makes a valid event one that has to be refused."""


def _nest(hostility: Hostility, event: Json) -> None:
    deep: Any = 1
    for _ in range(hostility.chance.randrange(50, 200)):
        deep = [deep] if hostility.chance.random() < 0.5 else {"a": deep}
    event["extension"] = deep


_STRANGE: Final[Sequence[Change]] = (
    _nest,
    _putting(
        "time",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:60Z",
        "2026-06-30T23:59:60Z", "2026-01-01t00:00:00z", "2026-01-01 00:00:00+00:00",
        "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00+23:59", "2026-01-01T00Z",
        "1582-10-10T00:00:00Z", "2262-04-12T00:00:00Z", "0044-03-15T12:00:00Z",
    ),
    _putting("source", "\ud7ff", "é", "e\u0301", " ", "//", "urn:uuid:", "\u202e/x"),
    _putting("id", " ", "é", "e\u0301", "\u202e", "0", "same", "same ", "\u017fame"),
    _putting("datacontenttype", "application/json; charset=utf-7", "APPLICATION/JSON"),
    _putting("extension", "x" * 100_000, {"a": [None] * 10_000}, 2**64 - 1, 1e-320),
    _reading("speed", 1e308, -1e308, 5e-324, -0.0, 2**53 + 1, None),
    _reading("cycle", 2**63 - 1, -(2**63), 0, -0, None),
    _reading("joint_currents", [], [None] * 128, [1e308] * 128, [-1e300, 5e-324]),
    _reading("joint_temperatures", [1e18], [-1e18], [None], [273.15e12] * 128),
    _reading("tool_current", 1.7976931348623157e308, 2.2250738585072014e-308),
)  # fmt: skip
"""Each makes a valid event one that may be taken in or refused, but must do no harm."""

Broken = Callable[[Hostility], Request]


def _raw(content_type: str | None, *bodies: bytes, statuses: frozenset[int]) -> Broken:
    def make(hostility: Hostility) -> Request:
        body = hostility.chance.choice(bodies)
        return Request(content_type, body, statuses=statuses)

    return make


def _cut_off(hostility: Hostility) -> Request:
    body = orjson.dumps([hostility.event(robot) for robot in hostility.edge])
    cut = hostility.chance.randrange(1, len(body) - 1)
    return Request(BATCH, body[:cut], statuses=ANY_REFUSAL)


def _spoilt(hostility: Hostility) -> Request:
    """Flip a byte somewhere; what comes out may even be right."""
    body = bytearray(orjson.dumps([hostility.event(robot) for robot in hostility.edge]))
    body[hostility.chance.randrange(len(body))] = hostility.chance.randrange(256)
    return Request(BATCH, bytes(body), statuses=EITHER_WAY)


def _not_finite(hostility: Hostility) -> Request:
    """Numbers that JSON does not have, or that no float can hold."""
    number = hostility.chance.choice(
        (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 5_000, b"0x1F")
    )
    event = hostility.event(hostility.chance.choice(hostility.edge))
    event["data"] = {"speed": "@"}
    body = orjson.dumps([event]).replace(b'"@"', number)
    return Request(BATCH, body, statuses=EITHER_WAY)


def _said_twice(hostility: Hostility) -> Request:
    event = orjson.dumps(hostility.event(hostility.chance.choice(hostility.edge)))
    name = hostility.chance.choice((b'"id":"twice"', b'"data":{}', b'"type":"x"'))
    return Request(SINGLE, b"{" + name + b"," + event[1:], statuses=EITHER_WAY)


def _surrogate(hostility: Hostility) -> Request:
    event = hostility.event(hostility.chance.choice(hostility.edge))
    event["id"] = "@"
    escape = hostility.chance.choice((rb"\ud800", rb"\udfff\ud800", rb"\ud83e x"))
    body = orjson.dumps(event).replace(b'"@"', b'"' + escape + b'"')
    return Request(SINGLE, body, statuses=EITHER_WAY)


def _in_another_coding(hostility: Hostility) -> Request:
    text = orjson.dumps([hostility.event(robot) for robot in hostility.edge]).decode()
    encoded = hostility.chance.choice(
        (text.encode("utf-16"), text.encode("utf-32-le"), gzip.compress(text.encode()))
    )
    return Request(BATCH, encoded, statuses=ANY_REFUSAL)


def _of_no_media_type(hostility: Hostility) -> Request:
    body = orjson.dumps([hostility.event(robot) for robot in hostility.edge])
    content_type = hostility.chance.choice(
        (
            None,
            "",
            "text/plain",
            "application/json",
            "application/xml",
            "x" * 5_000,
            "/",
        )
    )
    return Request(content_type, body, statuses=frozenset({415}))


def _too_many(hostility: Hostility) -> Request:
    robot = hostility.chance.choice(hostility.edge)
    events = [hostility.event(robot) for _ in range(EVENTS_AT_ONCE + 1)]
    return Request(BATCH, orjson.dumps(events), statuses=frozenset({413}))


def _deep(hostility: Hostility) -> Request:
    depth = hostility.chance.choice((500, 5_000, 100_000))
    opening, closing = hostility.chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    body = opening * depth + b"1" + closing * depth
    content_type = hostility.chance.choice((SINGLE, BATCH, LINES))
    return Request(content_type, body, statuses=EITHER_WAY)


_BROKEN: Final[Sequence[Broken]] = (
    _cut_off,
    _spoilt,
    _not_finite,
    _said_twice,
    _surrogate,
    _in_another_coding,
    _of_no_media_type,
    _too_many,
    _deep,
    _raw(
        BATCH, b"", b"null", b"{}", b"1", b'"[]"', b"[", b"]", b"[}", b"\x00", b"[,]",
        b"\xef\xbb\xbf", b"[1 2]", b"\xff" * 100, statuses=ANY_REFUSAL,
    ),
    _raw(SINGLE, b"", b"{", b"\x00{}", b"{]", b"'", b"{}{}", statuses=ANY_REFUSAL),
    _raw(LINES, b"", b"\n\n\n", b"\r\n", b"x\ny\nz", b"\x00\n", statuses=EITHER_WAY),
    _raw(BATCH, b"[]", b" [ ] ", b"[null]", b"[[]]", b"[1,2,3]", statuses=EITHER_WAY),
)  # fmt: skip


def _too_large(hostility: Hostility) -> Request:
    """A body over the limit, which tells its length or hides it."""
    body = hostility.chance.choice(
        (b" " * (MAX_BODY_BYTES + 1), b"[" * (MAX_BODY_BYTES + 1))
    )
    hides = hostility.chance.random() < 0.5
    return Request(BATCH, body, statuses=frozenset({413}), chunked=hides)


def _long_id(hostility: Hostility) -> Request:
    """An id of ten megabytes, or of as many as a body may have."""
    event = hostility.event(hostility.edge[0])
    too_long = hostility.chance.random() < 0.5
    event["id"] = "i" * (10_000_000 if too_long else 7_000_000)
    body = orjson.dumps(event)
    if too_long:
        return Request(SINGLE, body, statuses=frozenset({413}))
    return Request(SINGLE, body, [Item(b"", Fate.BAD)])


def _endless_number(_: Hostility) -> Request:
    return Request(BATCH, b"[" + b"1" * 4_000_000 + b"]", statuses=EITHER_WAY)


def _many_small(_: Hostility) -> Request:
    body = b"[" + b"0," * 1_000_000 + b"0]"
    return Request(BATCH, body, statuses=frozenset({413, 422}))


def _many_keys(hostility: Hostility) -> Request:
    event = hostility.event(hostility.edge[0])
    event["data"] = {f"k{number}": number for number in range(200_000)}
    return Request(SINGLE, orjson.dumps(event), [Item(b"", Fate.BAD)])


_OVERSIZED: Final[Sequence[Broken]] = (
    _too_large,
    _long_id,
    _endless_number,
    _many_small,
    _many_keys,
    _raw(LINES, b"\n" * 8_000_000, b"x\n" * 1_000_000, statuses=ANY_REFUSAL),
    _raw(BATCH, b"[" * 8_000_000, b"[" + b'""' * 100_000, statuses=ANY_REFUSAL),
)
