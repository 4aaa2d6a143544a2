"""Where a list of events goes on: after an event, by its time and its key."""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from robosure.kernel.errors import Invalid

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FORM: Final = struct.Struct(">q16s")


class Place(NamedTuple):
    """An event's place in the order of events: by time, and then by key."""

    time: datetime
    key: UUID

    def encode(self) -> str:
        """Write it as a cursor."""
        microseconds = (self.time - _EPOCH) // timedelta(microseconds=1)
        packed = _FORM.pack(microseconds, self.key.bytes)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def decode(cls, cursor: str) -> Place:
        """Read it back.

        Raises:
            Invalid: it is none.
        """
        try:
            packed = base64.b64decode(cursor + "==", altchars=b"-_", validate=True)
            microseconds, key = _FORM.unpack(packed)
            moment = _EPOCH + timedelta(microseconds=microseconds)
        except (binascii.Error, struct.error, ValueError, OverflowError) as error:
            raise Invalid("invalid_cursor") from error
        return cls(moment, UUID(bytes=key))


@dataclass(frozen=True)
class EventPage:
    """How much of a list of events, and after which."""

    limit: int
    after: Place | None = None
