"""What claims needs from outside its domain: its rows, and the lock on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from robosure.contexts.claims.domain.claim import Claim
from robosure.contexts.claims.domain.cover import PolicyCover
from robosure.contexts.claims.domain.roster import Adjuster, Workload
from robosure.kernel.money import Money


class Claims(Protocol):
    """The claims."""

    async def next_number(self, year: int) -> str:
        """Take the next number of the year, such as ``CLM-2026-000007``."""
        ...

    def add(self, claim: Claim) -> None:
        """Keep a new one."""
        ...

    async def get_for_update(self, claim_id: UUID, *, party_id: UUID) -> Claim:
        """Return one, locked.

        Args:
            claim_id: of the claim.
            party_id: the organisation that asks: its insurer or its holder.

        Raises:
            NotFound: there is none, or the organisation is no party to it.
        """
        ...

    async def find_for_update(self, claim_id: UUID) -> Claim | None:
        """Return one, locked; None if there is none."""
        ...

    async def with_evidence(self, evidence_id: UUID) -> Claim | None:
        """Return the one that asked for that evidence, locked; None if none did."""
        ...

    async def take_waiting(self, *, after: UUID | None) -> Claim | None:
        """Return the first that waits for an adjuster, locked; skip those in use.

        Args:
            after: only one reported later than that claim.
        """
        ...

    async def add_attachment_to(self, claim: Claim) -> None:
        """Store what was attached.

        Raises:
            AlreadyExists: the claim has a file of the same content.
        """
        ...


class Covers(Protocol):
    """The copies of what policies cover, and what is left of their aggregates."""

    async def add(self, cover: PolicyCover) -> None:
        """Keep a policy's cover, with nothing of its aggregates used yet."""
        ...

    async def get(self, policy_number: str) -> PolicyCover:
        """Return a policy's cover.

        Raises:
            NotFound: ``policy_not_found``.
        """
        ...

    async def remaining(
        self, cover: PolicyCover, coverage_code: str, *, lock: bool
    ) -> Money:
        """Return what is left of a coverage's aggregate.

        Args:
            cover: the policy's.
            coverage_code: of one of its coverages.
            lock: whether it must not change until the transaction ends.

        Raises:
            Invalid: ``coverage_does_not_respond``, the policy has none of that code.
        """
        ...

    async def draw(self, cover: PolicyCover, coverage_code: str, amount: Money) -> None:
        """Take an amount from a coverage's aggregate.

        Raises:
            InvalidState: ``aggregate_exhausted``, less is left.
        """
        ...


class Roster(Protocol):
    """The adjusters."""

    async def put(self, adjuster: Adjuster) -> None:
        """Keep what is known of an adjuster now; when they last got a claim stays."""
        ...

    async def retire(self, user_id: UUID, *, name: str) -> None:
        """Give no more claims to somebody, if they are on the roster."""
        ...

    async def get_for_update(self, user_id: UUID, *, organisation_id: UUID) -> Adjuster:
        """Return an organisation's adjuster, locked.

        Raises:
            NotFound: ``adjuster_not_found``.
        """
        ...

    async def workloads(self, organisation_id: UUID) -> Sequence[Workload]:
        """Return the load of each active adjuster, locked until the transaction ends.

        Whoever else wants to assign a claim of that organisation waits, and then
        counts this one too.
        """
        ...
