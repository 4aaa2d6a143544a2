"""The main job, step by step: from a robot's telemetry to a claim that is paid."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from robosure.entrypoints.client.api import Api, Caller, until
from robosure.entrypoints.client.progress import Watcher
from robosure.entrypoints.demo.amounts import shown
from robosure.entrypoints.demo.cast import Cast
from robosure.entrypoints.demo.claim import file_claim, settle_claim
from robosure.entrypoints.demo.sources import Batch, Source, day_of

PRODUCT: Final = "robot-comprehensive"
_REPEAT_EVERY: Final = 20
_COVERAGES: Final = ("physical-damage", "third-party-liability")
_NOTICES: Final = (
    "policy_bound",
    "payment_taken",
    "claim_received",
    "claim_decided",
    "claim_paid",
)


@dataclass
class Journey:
    """One run; ``report`` grows as the steps are taken."""

    api: Api
    source: Source
    watcher: Watcher
    email: str
    password: str
    report: dict[str, Any] = field(default_factory=dict[str, Any])

    async def run(self) -> dict[str, Any]:
        """Take every step, and return the report.

        Raises:
            ClientError: a step cannot be taken.
        """
        started = time.monotonic()
        cast = await self._gather()
        robots = await self._register(cast)
        await self._replay(cast, robots)
        robot_id = await self._score(cast, robots)
        quote = await self._quote(cast, robots)
        policy = await self._bind(cast, quote)
        await self._collect(cast, policy)
        await self._claim(cast, policy, robot_id)
        await self._settle_books(cast, policy)
        self.report["seconds"] = round(time.monotonic() - started, 1)
        return self.report

    async def _gather(self) -> Cast:
        self.watcher.begin("Registering a manufacturer, an operator and people")
        cast = await Cast.gather(self.api, self.email, self.password)
        self.watcher.finish("3 organisations, 4 people")
        return cast

    async def _register(self, cast: Cast) -> list[UUID]:
        self.watcher.begin("Registering the model and its robots")
        robots = await cast.register(self.source.robots)
        self.watcher.finish(", ".join(robots.values()))
        return list(robots)

    async def _replay(self, cast: Cast, robots: list[UUID]) -> None:
        """Send every batch, and every twentieth twice."""
        self.watcher.begin("Replaying telemetry", total=self.source.rows)
        devices = [await cast.device(robot) for robot in robots]
        accepted = sent_twice = 0
        for number, (index, batch) in enumerate(self.source.batches(robots), start=1):
            twice = number % _REPEAT_EVERY == 0
            for _ in range(2 if twice else 1):
                accepted += await self._send(devices[index], batch)
            sent_twice += batch.rows if twice else 0
            self.watcher.advance(batch.rows)
        counts = await self._processed(cast, robots, accepted)
        self.report["telemetry"] = {
            "rows": self.source.rows,
            "accepted": accepted,
            "sent_twice": sent_twice,
            **counts,
        }
        self.watcher.finish(
            f"{counts['stored']:,} stored, {counts['repeated']:,} repeats recognised, "
            f"{counts['failed']:,} failed"
        )

    async def _send(self, device: Caller, batch: Batch) -> int:
        """Send a batch, and return how many of its samples were accepted."""

        async def send() -> dict[str, Any]:
            answer: dict[str, Any] = await device.send(
                batch.path,
                batch.content,
                content_type=batch.content_type,
                **batch.parameters,
            )
            return answer

        # Eventflow hears of a robot a moment after it is registered.
        answer = await until(
            "the robot to be known", send, lambda answer: answer["accepted"] > 0
        )
        return int(answer["accepted"])

    async def _processed(
        self, cast: Cast, robots: list[UUID], accepted: int
    ) -> dict[str, int]:
        """Wait until everything accepted is accounted for."""

        async def count() -> dict[str, int]:
            each = [
                await cast.admin.get("/event-counts", subject=str(robot))
                for robot in robots
            ]
            names = ("stored", "repeated", "failed")
            return {name: sum(counts[name] for counts in each) for name in names}

        return await until(
            "the telemetry to be processed",
            count,
            lambda counts: sum(counts.values()) >= accepted,
        )

    async def _score(self, cast: Cast, robots: list[UUID]) -> UUID:
        """Wait for every robot's score, and return the riskiest robot."""
        self.watcher.begin("Waiting for the risk score")
        scores = {robot: await self._scored(cast, robot) for robot in robots}
        riskiest = max(scores, key=lambda robot: float(scores[robot]["score"]))
        risk = scores[riskiest]
        exposure = risk["exposure"]
        self.report["risk"] = {
            "robot_id": str(riskiest),
            "samples": exposure["samples"],
            "incomplete_samples": exposure["incomplete_samples"],
            "operating_seconds": exposure["operating_seconds"],
            "protective_stop": exposure["protective_stop"],
            "grip_loss": exposure["grip_loss"],
            "score": risk["score"],
            "band": risk["band"],
            "multiplier": risk["multiplier"],
            "factors": risk["factors"],
        }
        self.watcher.finish(
            f"{risk['score']} of 100, {risk['band']}; "
            f"{exposure['protective_stop']['episodes']} protective stops in "
            f"{float(exposure['operating_seconds']) / 3600:.1f} h; "
            f"multiplier {risk['multiplier']}"
        )
        return riskiest

    async def _scored(self, cast: Cast, robot: UUID) -> dict[str, Any]:
        counts = await cast.admin.get("/event-counts", subject=str(robot))

        async def score() -> dict[str, Any]:
            answer: dict[str, Any] = await cast.admin.get(f"/robots/{robot}/risk")
            return answer

        return await until(
            "the risk score",
            score,
            lambda risk: risk["exposure"]["samples"] == counts["stored"],
        )

    async def _quote(self, cast: Cast, robots: list[UUID]) -> dict[str, Any]:
        self.watcher.begin("Asking for a quote")
        first = await cast.admin.get("/event-counts", subject=str(robots[0]))
        inception = day_of(first["first_at"])
        scores = {
            str(robot): (await cast.admin.get(f"/robots/{robot}/risk"))["multiplier"]
            for robot in robots
        }
        request = {
            "product_code": PRODUCT,
            "holder_id": cast.operator_id,
            "robot_ids": [str(robot) for robot in robots],
            "term": {
                "inception": inception.isoformat(),
                "time_zone": "Europe/Berlin",
            },
            "jurisdiction": "DE",
            "coverages": [{"code": code} for code in _COVERAGES],
            "instalments": 4,
        }

        async def ask() -> dict[str, Any]:
            answer: dict[str, Any] = await cast.underwriter.post("/quotes", request)
            return answer

        quote: dict[str, Any] = await until(
            "the score to reach the price", ask, _rated_with(scores)
        )
        self.report["quote"] = quote
        self.watcher.finish(
            f"{shown(quote['premium'])} with telemetry, "
            f"{shown(quote['premium_without_telemetry'])} without; "
            f"total {shown(quote['total'])}"
        )
        return quote

    async def _bind(self, cast: Cast, quote: dict[str, Any]) -> dict[str, Any]:
        self.watcher.begin("Binding the policy and downloading its certificate")
        policy: dict[str, Any] = await cast.underwriter.post(
            f"/quotes/{quote['id']}/bind", {"payment_method": "tok_ok"}
        )
        certificate = await cast.holder.download(
            f"/policies/{policy['id']}/certificate"
        )
        self.report["policy"] = {**policy, "certificate_bytes": len(certificate)}
        self.watcher.finish(
            f"{policy['number']}, a certificate of {len(certificate):,} bytes"
        )
        return policy

    async def _collect(self, cast: Cast, policy: dict[str, Any]) -> None:
        self.watcher.begin("Waiting for the first instalment")

        async def instalments() -> list[dict[str, Any]]:
            page = await cast.holder.get("/instalments", policy_id=policy["id"])
            return sorted(page["items"], key=lambda each: int(each["sequence"]))

        paid = await until(
            "the first instalment",
            instalments,
            lambda found: bool(found) and found[0]["status"] == "paid",
        )
        self.report["policy"]["first_instalment"] = paid[0]
        self.watcher.finish(f"{shown(paid[0]['amount'])} of {len(paid)} instalments")

    async def _claim(self, cast: Cast, policy: dict[str, Any], robot_id: UUID) -> None:
        self.watcher.begin("Filing a claim at the worst cluster of protective stops")
        claim = await file_claim(cast, policy, robot_id)
        evidence = sum(each["samples"] for each in claim["evidence"])
        self.watcher.finish(f"{claim['number']}, evidence of {evidence:,} samples")
        self.watcher.begin("Assessing, settling and paying the claim")
        paid = await settle_claim(cast, claim)
        self.report["claim"] = {**paid, "evidence_samples": evidence}
        self.watcher.finish(f"{shown(paid['settlement']['amount'])} paid")

    async def _settle_books(self, cast: Cast, policy: dict[str, Any]) -> None:
        self.watcher.begin("Reading the ledger and the notices")
        balances = await cast.admin.get("/ledger/balances")
        numbers = (policy["number"], self.report["claim"]["number"])

        async def notices() -> list[dict[str, Any]]:
            pages = [
                await cast.admin.get("/deliveries", reference=number)
                for number in numbers
            ]
            return [item for page in pages for item in page["items"]]

        sent = await until(
            "the notices",
            notices,
            lambda found: (
                {each["template"] for each in found if each["status"] == "sent"}
                >= set(_NOTICES)
            ),
        )
        totals = balances["totals"]
        ledger = {
            "transactions": sum(each["transactions"] for each in totals),
            "sum_minor": sum(each["sum_minor"] for each in totals),
        }
        self.report["ledger"] = ledger
        self.report["deliveries"] = len(sent)
        self.watcher.finish(
            f"{ledger['transactions']} transactions sum to {ledger['sum_minor']}; "
            f"{len(sent)} notices delivered"
        )


def _rated_with(scores: dict[str, str]) -> Callable[[dict[str, Any]], bool]:
    """Whether the quote stands on these telemetry multipliers."""

    def rated(quote: dict[str, Any]) -> bool:
        return all(
            any(
                factor["code"] == "telemetry"
                and float(factor["relativity"]) == float(scores[robot["robot_id"]])
                for factor in robot["factors"]
            )
            for robot in quote["robots"]
        )

    return rated
