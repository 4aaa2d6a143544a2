"""The use cases of policies: offering a quote, binding it, certifying the cover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from robosure.contexts.policies.domain.factors import Risk
from robosure.contexts.policies.domain.policy import Policy
from robosure.contexts.policies.domain.quote import Quote, Request
from robosure.contexts.policies.domain.telemetry import rate_telemetry
from robosure.contexts.policies.ports import (
    Certificates,
    Organisations,
    Policies,
    Products,
    Quotes,
    Robots,
)
from robosure.kernel.errors import Forbidden, Stale
from robosure.kernel.time import Clock, Term, local_day
from robosure.platform.documents import compile_pdf
from robosure.platform.files import FileStorage
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.security import Principal

QUOTES_OFFERED: Final = counter("quotes_offered_total", "Quotes offered.", ["product"])
POLICIES_BOUND: Final = counter("policies_bound_total", "Policies bound.", ["product"])


class QuoteService(LoggerMixin):
    """Offers quotes."""

    def __init__(
        self, quotes: Quotes, products: Products, robots: Robots, *, clock: Clock
    ) -> None:
        self._quotes = quotes
        self._products = products
        self._robots = robots
        self._clock = clock

    async def offer(
        self,
        by: Principal,
        request: Request,
        *,
        product_code: str,
        product_version: int | None,
        robot_ids: Sequence[UUID],
    ) -> Quote:
        """Price a holder's robots, in view of their latest scores.

        Args:
            by: who offers, for their organisation.
            request: what the holder wants.
            product_code: of the product.
            product_version: None for the one that is sold today.
            robot_ids: the robots.

        Raises:
            Forbidden: only insurers offer quotes.
            NotYetKnown: the product or a robot has not been heard of here.
            Invalid: see :meth:`Quote.offer`.
        """
        if by.organisation_kind != "insurer":
            raise Forbidden("insurer_only")
        now = self._clock.now()
        today = local_day(now, request.term.time_zone)
        quote = Quote.offer(
            await self._products.get(product_code, version=product_version, day=today),
            request,
            insurer_id=by.organisation_id,
            risks=await self._risks(robot_ids, insurer_id=by.organisation_id),
            at=now,
        )
        self._quotes.add(quote)
        QUOTES_OFFERED.labels(product_code).inc()
        self.logger.info(
            "policies.service.offer_completed",
            quote_id=str(quote.id),
            total=str(quote.rating.total),
        )
        return quote

    async def _risks(
        self, robot_ids: Sequence[UUID], *, insurer_id: UUID
    ) -> list[Risk]:
        robots = await self._robots.get(robot_ids)
        scores = await self._robots.scores(robot_ids)
        ratings = await self._robots.ratings(robot_ids, insurer_id=insurer_id)
        rated = {
            robot_id: rate_telemetry(score, ratings.get(robot_id))
            for robot_id, score in scores.items()
        }
        return [Risk(robot, rated.get(robot.robot_id)) for robot in robots]


class PolicyService(LoggerMixin):
    """Turns quotes into policies."""

    def __init__(
        self, quotes: Quotes, policies: Policies, robots: Robots, *, clock: Clock
    ) -> None:
        self._quotes = quotes
        self._policies = policies
        self._robots = robots
        self._clock = clock

    async def bind(
        self,
        by: Principal,
        quote_id: UUID,
        *,
        payment_method: str,
        expected_version: int | None = None,
    ) -> Policy:
        """Sell what was quoted; of two who try at once, one does.

        Args:
            by: who binds, for the insurer that offered.
            quote_id: of the quote.
            payment_method: the processor's token for the holder's means of payment.
            expected_version: of the quote the caller saw; None for any.

        Raises:
            NotFound: the insurer has no such quote.
            Stale: the quote is not the one the caller saw.
            InvalidState, Forbidden: see :meth:`Quote.bind`.
        """
        now = self._clock.now()
        quote = await self._quotes.get_for_update(
            quote_id, insurer_id=by.organisation_id
        )
        if expected_version not in {None, quote.version}:
            raise Stale("stale_version", version=quote.version)
        year = local_day(now, quote.term.time_zone).year
        policy = quote.bind(
            number=await self._policies.next_number(year),
            payment_method=payment_method,
            at=now,
            may_backdate=by.may("policies:backdate"),
        )
        await self._policies.add(policy)
        await self._robots.remember(
            {
                rated.robot.robot_id: rated.telemetry
                for rated in quote.rating.robots
                if rated.telemetry
            },
            insurer_id=quote.insurer_id,
            at=now,
        )
        POLICIES_BOUND.labels(policy.product_code).inc()
        self.logger.info(
            "policies.service.bind_completed",
            policy_id=str(policy.id),
            number=policy.number,
            total=str(policy.total),
        )
        return policy


class CertificateService(LoggerMixin):
    """Certifies cover: a PDF per transaction, made when it is first asked for."""

    def __init__(
        self,
        policies: Policies,
        organisations: Organisations,
        certificates: Certificates,
        *,
        storage: FileStorage,
        clock: Clock,
    ) -> None:
        self._policies = policies
        self._organisations = organisations
        self._certificates = certificates
        self._storage = storage
        self._clock = clock

    async def certificate(self, policy_id: UUID, *, organisation_id: UUID) -> bytes:
        """Return the certificate of a policy's latest transaction: always one file.

        Args:
            policy_id: of the policy.
            organisation_id: who asks: the insurer or the holder.

        Raises:
            NotFound: the organisation has no such policy.
            NotYetKnown: the name of the insurer or the holder has not arrived here.
        """
        policy = await self._policies.get(policy_id, organisation_id=organisation_id)
        transaction_id = policy.transactions[-1].id
        key = await self._certificates.find(transaction_id)
        if key is None:
            key = await self._make(policy, transaction_id, at=self._clock.now())
        return await self._storage.get(key)

    async def _make(self, policy: Policy, transaction_id: UUID, *, at: datetime) -> str:
        facts = await self._facts(policy)
        document = await compile_pdf(_template(), facts)
        digest = sha256(document).hexdigest()
        stored = await self._storage.put(
            f"policies/certificates/{digest}.pdf", document, "application/pdf"
        )
        self.logger.info(
            "policies.service.certificate_completed",
            number=policy.number,
            size=stored.size,
        )
        return await self._certificates.keep(
            transaction_id, key=stored.key, sha256=digest, at=at
        )

    async def _facts(self, policy: Policy) -> dict[str, Any]:
        latest = policy.transactions[-1]
        return {
            "number": policy.number,
            "reference": f"{policy.number}/{latest.sequence}",
            "transaction_id": str(latest.id),
            "kind": latest.kind.replace("_", " "),
            "issued_at": f"{latest.issued_at:%Y-%m-%d %H:%M} UTC",
            "insurer": await self._organisations.name_of(policy.insurer_id),
            "holder": await self._organisations.name_of(policy.holder_id),
            "product": f"{policy.product_code}, version {policy.product_version}",
            "jurisdiction": policy.jurisdiction,
            "term": _term(policy.term),
            "robots": [
                [r.serial_number, r.robot_class.replace("_", " "), str(r.insured_value)]
                for r in policy.robots
            ],
            "coverages": [
                [c.name, str(c.limit), str(c.deductible)] for c in policy.coverages
            ],
            "premium": str(policy.premium),
            "taxes": [
                [f"{line.name}, {(line.rate * 100).normalize():f} %", str(line.amount)]
                for line in policy.taxes
            ],
            "total": str(policy.total),
        }


def _template() -> str:
    package = files("robosure.contexts.policies")
    return (package / "certificate.typ").read_text("utf-8")


def _term(term: Term) -> dict[str, str]:
    return {
        "from": f"{term.inception.day} {term.inception:%B %Y}, 00:00",
        "to": f"{term.expiry.day} {term.expiry:%B %Y}, 00:00",
        "time_zone": term.time_zone,
    }
