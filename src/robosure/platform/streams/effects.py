"""Effects: what a group does with what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from robosure.platform.database.session import WriteSession
from robosure.platform.streams.bus import Entry
from robosure.platform.streams.letters import Letter

Item = TypeVar("Item")


class Effects(Protocol[Item]):
    """What a group does with the items that entries hold."""

    @property
    def stream(self) -> str:
        """The stream that the group reads."""
        ...

    @property
    def group(self) -> str:
        """The consumer's name: in dedupe rows, dead letters and metrics."""
        ...

    def decode(self, entry: Entry) -> Sequence[Item]:
        """Read an entry.

        Raises:
            ValueError, KeyError, TypeError: nobody can read it.
        """
        ...

    async def apply(self, session: WriteSession, items: Sequence[Item]) -> None:
        """Let these take effect in the transaction, each unless it did before.

        Only subjects' own order counts: items of one subject come in theirs. An item
        that was sent twice may be among them twice.
        """
        ...

    def letter(self, item: Item) -> Letter:
        """Write an item down, to be kept when it fails."""
        ...

    def restore(self, content: str) -> Item:
        """Read an item back from its letter's content.

        Raises:
            ValueError, KeyError, TypeError: it has become unreadable.
        """
        ...
