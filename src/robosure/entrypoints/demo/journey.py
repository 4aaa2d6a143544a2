"""The main job, step by step: from a robot's telemetry to a claim that is paid."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from robosure.entrypoints.demo.client import Api, Caller, until
from robosure.entrypoints.demo.sources import Source, day_of

PRODUCT: Final = "robot-comprehensive"
_REPEAT_EVERY: Final = 20
_COVERAGES: Final = ("physical-damage", "third-party-liability")
_LOSS_MINOR: Final = 1_250_000
_LOOK_BACK: Final = timedelta(days=6)
"""How far back the worst moment is looked for."""
_NOTICES: Final = (
    "policy_bound",
    "payment_taken",
    "claim_received",
    "claim_decided",
    "claim_paid",
)


class Watcher(Protocol):
    """Whoever follows the journey."""

    def begin(self, step: str, *, total: int | None = None) -> None:
        """A step begins; ``total`` counts what it has to do."""
        ...

    def advance(self, by: int) -> None:
        """The step has done so much more."""
        ...

    def finish(self, result: str) -> None:
        """The step is done, with this to show."""
        ...


@dataclass
class Cast:
    """Who takes part, each signed in as themselves."""

    admin: Caller
    underwriter: Caller
    adjuster: Caller
    holder: Caller
    manufacturer_id: str
    operator_id: str


@dataclass
class Journey:
    """One run; ``report`` grows as the steps are taken."""

    api: Api
    source: Source
    watcher: Watcher
    email: str
    password: str
    report: dict[str, Any] = field(default_factory=dict[str, Any])
    _tag: str = field(default_factory=lambda: secrets.token_hex(3))

    async def run(self) -> dict[str, Any]:
        """Take every step, and return the report.

        Raises:
            DemoError: a step cannot be taken.
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
        admin = await self.api.sign_in(self.email, self.password)
        insurer_id: str = (await admin.get("/auth/me"))["organisation_id"]
        manufacturer_id = await self._organisation(admin, "manufacturer", "Cobot Works")
        operator_id = await self._organisation(admin, "operator", "Assembly Lines")
        cast = Cast(
            admin=admin,
            underwriter=await self._person(admin, "underwriter", insurer_id),
            adjuster=await self._person(admin, "adjuster", insurer_id),
            holder=await self._person(admin, "policyholder", operator_id),
            manufacturer_id=manufacturer_id,
            operator_id=operator_id,
        )
        self.watcher.finish("3 organisations, 4 people")
        return cast

    async def _organisation(self, admin: Caller, kind: str, name: str) -> str:
        document = {
            "kind": kind,
            "name": f"{name} {self._tag}",
            "email": f"{kind}-{self._tag}@example.com",
            "country": "DE",
        }
        return str((await admin.post("/organisations", document))["id"])

    async def _person(self, admin: Caller, role: str, organisation_id: str) -> Caller:
        email, password = f"{role}-{self._tag}@example.com", secrets.token_urlsafe(18)
        document = {
            "organisation_id": organisation_id,
            "email": email,
            "name": f"Demo {role}",
            "password": password,
            "roles": [role],
            "skills": ["cobot"] if role == "adjuster" else [],
        }
        # Not repeatable by key, as a password is in it; the address is ours alone.
        await admin.post("/users", document, or_already="email_taken")
        return await self.api.sign_in(email, password)

    async def _register(self, cast: Cast) -> list[UUID]:
        self.watcher.begin("Registering the model and its robots")
        model = await cast.admin.post(
            "/robot-models",
            {
                "manufacturer_id": cast.manufacturer_id,
                "name": "CW3",
                "robot_class": "cobot",
                "joint_current_limits": ["5", "5", "4", "3", "3", "2"],
                "joint_temperature_limit": "50",
                "specifications": {"reach_mm": 500, "payload_kg": 3},
            },
        )
        robots = [
            await cast.admin.post(
                "/robots",
                {
                    "serial_number": f"CW3-{self._tag}-{number:03d}",
                    "model_id": model["id"],
                    "operator_id": cast.operator_id,
                    "insured_value": {"minor": 2_800_000, "currency": "EUR"},
                    "commissioned_on": "2021-06-01",
                    "operating_environment": "factory",
                    "firmware": "3.15.8",
                    "specifications": {},
                },
            )
            for number in range(1, self.source.robots + 1)
        ]
        serials = ", ".join(robot["serial_number"] for robot in robots)
        self.watcher.finish(serials)
        return [UUID(robot["id"]) for robot in robots]

    async def _replay(self, cast: Cast, robots: list[UUID]) -> None:
        """Send every batch, and every twentieth twice."""
        self.watcher.begin("Replaying telemetry", total=self.source.rows)
        devices = [await self._device(cast, robot) for robot in robots]
        accepted = sent_twice = 0
        for number, (index, batch) in enumerate(self.source.batches(robots), start=1):
            twice = number % _REPEAT_EVERY == 0
            for _ in range(2 if twice else 1):
                answer = await devices[index].send(
                    batch.path,
                    batch.content,
                    content_type=batch.content_type,
                    **batch.parameters,
                )
                accepted += answer["accepted"]
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

    async def _device(self, cast: Cast, robot_id: UUID) -> Caller:
        key = await cast.admin.post(
            "/api-keys",
            {
                "organisation_id": cast.operator_id,
                "name": f"demo device {self._tag}",
                "scopes": ["telemetry:write", "events:write"],
                "robot_id": str(robot_id),
            },
        )
        return self.api.with_key(key["key"])

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
            f"{_shown(quote['premium'])} with telemetry, "
            f"{_shown(quote['premium_without_telemetry'])} without; "
            f"total {_shown(quote['total'])}"
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
        self.watcher.finish(f"{_shown(paid[0]['amount'])} of {len(paid)} instalments")

    async def _claim(self, cast: Cast, policy: dict[str, Any], robot_id: UUID) -> None:
        self.watcher.begin("Filing a claim at the worst cluster of protective stops")
        claim_id = await self._report_loss(cast, policy, robot_id)
        path = f"/claims/{claim_id}"

        async def claim() -> dict[str, Any]:
            answer: dict[str, Any] = await cast.admin.get(path)
            return answer

        ready = await until(
            "the evidence and an adjuster",
            claim,
            lambda seen: (
                seen["evidence_status"] == "attached" and seen["adjuster"] is not None
            ),
        )
        evidence = sum(each["samples"] for each in ready["evidence"])
        self.watcher.finish(f"{ready['number']}, evidence of {evidence:,} samples")
        self.watcher.begin("Assessing, settling and paying the claim")
        # Adjusters are chosen by skill and load; in a demo run it may be an earlier
        # run's, whose password is gone. The administrator hands it to ours.
        me = await cast.adjuster.get("/auth/me")
        if str(ready["adjuster"]["id"]) != me["subject"]:
            await cast.admin.post(f"{path}/assign", {"adjuster_id": me["subject"]})
        await cast.adjuster.post(
            f"{path}/assessment",
            {
                "coverage_code": "physical-damage",
                "basis": "replacement_cost",
                "loss_value": {"minor": _LOSS_MINOR, "currency": "EUR"},
                "notes": "Wrist joint and gripper damaged after repeated stops.",
            },
        )
        await cast.admin.post(f"{path}/approve", {})
        paid = await until("the payout", claim, lambda seen: seen["status"] == "paid")
        self.report["claim"] = {
            **paid,
            "evidence_samples": evidence,
            "timeline": (await cast.admin.get(f"{path}/timeline"))["items"],
        }
        self.watcher.finish(f"{_shown(paid['settlement']['amount'])} paid")

    async def _report_loss(
        self, cast: Cast, policy: dict[str, Any], robot_id: UUID
    ) -> str:
        document = {
            "policy_number": policy["number"],
            "robot_id": str(robot_id),
            "incident_at": (await self._worst_moment(cast, robot_id)).isoformat(),
            "incident_type": "protective_stop",
            "description": "The arm stopped again and again and dropped its part.",
            "estimated_loss": {"minor": _LOSS_MINOR, "currency": "EUR"},
            "contact": {"name": "Demo policyholder"},
        }
        # Claims hears of a policy a moment after it is bound.
        claim = await cast.holder.post(
            "/claims", document, until_not="policy_not_found"
        )
        return str(claim["id"])

    async def _worst_moment(self, cast: Cast, robot_id: UUID) -> datetime:
        """Return the middle of the ten minutes with the most protective stops."""
        exposure = (await cast.admin.get(f"/robots/{robot_id}/risk"))["exposure"]
        last = datetime.fromisoformat(exposure["last_sample_at"])
        span = {
            "from": max(
                datetime.fromisoformat(exposure["first_sample_at"]), last - _LOOK_BACK
            ).isoformat(),
            "to": (last + timedelta(seconds=1)).isoformat(),
        }
        windows: Iterable[dict[str, Any]] = (
            await cast.admin.get(f"/robots/{robot_id}/risk/windows", **span)
        )["items"]
        worst = max(windows, key=lambda each: int(each["protective_stop"]["samples"]))
        starts = datetime.fromisoformat(worst["starts_at"]).astimezone(UTC)
        return starts + timedelta(minutes=5)

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


def _shown(money: dict[str, Any]) -> str:
    return f"{money['minor'] / 100:,.2f} {money['currency']}"
