"""Domain events: facts in the past tense, told by aggregates.

An event is a frozen dataclass of plain values (ids, strings, numbers, dates, money
and tuples of these), so it survives being written down and read by another context.
Who told it, when, and under which correlation id is the envelope's business
(``platform.events``), not the event's.
"""

from __future__ import annotations

from typing import ClassVar


class DomainEvent:
    """Base of every fact. Subclasses are frozen dataclasses in a context's events.py.

    Attributes:
        version: of the event's shape; a change that breaks readers raises it.
    """

    version: ClassVar[int] = 1
