"""What policies needs from outside: where things are kept, and others' facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from robosure.contexts.policies.domain.factors import Robot
from robosure.contexts.policies.domain.policy import Policy
from robosure.contexts.policies.domain.quote import Product, Quote
from robosure.contexts.policies.domain.telemetry import Score, TelemetryRating


class Quotes(Protocol):
    """Where quotes are kept."""

    def add(self, quote: Quote) -> None:
        """Keep a new one."""
        ...

    async def get_for_update(self, quote_id: UUID, *, insurer_id: UUID) -> Quote:
        """Return the insurer's quote; nobody else changes it until this is done.

        Raises:
            NotFound: the insurer has no such quote.
        """
        ...


class Policies(Protocol):
    """Where policies are kept."""

    async def next_number(self, year: int) -> str:
        """Take the next policy number of a year."""
        ...

    async def add(self, policy: Policy) -> None:
        """Keep a new one.

        Raises:
            InvalidState: its quote has become a policy already.
        """
        ...

    async def get(self, policy_id: UUID, *, organisation_id: UUID) -> Policy:
        """Return a policy of that organisation, be it the insurer or the holder.

        Raises:
            NotFound: it has no such policy.
        """
        ...


class Products(Protocol):
    """The local copy of what the catalogue published."""

    async def get(self, code: str, *, version: int | None, day: date) -> Product:
        """Return a version, or if none is named the one that is sold on that day.

        Raises:
            NotYetKnown: none of that has been heard of here.
        """
        ...


class Robots(Protocol):
    """The local copy of robots and their scores, and how insurers rated them."""

    async def get(self, robot_ids: Sequence[UUID]) -> list[Robot]:
        """Return robots, in the order asked for.

        Raises:
            NotYetKnown: one has not been heard of here.
        """
        ...

    async def scores(self, robot_ids: Sequence[UUID]) -> Mapping[UUID, Score]:
        """Return the latest score of those that have one."""
        ...

    async def ratings(
        self, robot_ids: Sequence[UUID], *, insurer_id: UUID
    ) -> Mapping[UUID, TelemetryRating]:
        """Return how the insurer last rated those that it did rate."""
        ...

    async def remember(
        self, ratings: Mapping[UUID, TelemetryRating], *, insurer_id: UUID, at: datetime
    ) -> None:
        """Keep how the insurer rated robots that it now covers."""
        ...


class Organisations(Protocol):
    """The local copy of who exists."""

    async def name_of(self, organisation_id: UUID) -> str:
        """Return an organisation's name.

        Raises:
            NotYetKnown: it has not been heard of here.
        """
        ...


class Certificates(Protocol):
    """Which file is the certificate of a policy's transaction."""

    async def find(self, transaction_id: UUID) -> str | None:
        """Return the file's key; None if there is no certificate yet."""
        ...

    async def keep(
        self, transaction_id: UUID, *, key: str, sha256: str, at: datetime
    ) -> str:
        """Make the file the certificate, unless there is one; return which it is."""
        ...
