"""What there is to reach: one of everything, of one operator and of another.

Built through the public API, except for what only time or a failure brings about.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select

from robosure.contexts.eventflow.service.processing import EventProcessor
from robosure.contexts.eventflow.tables import archives
from robosure.contexts.notifications.domain import EventType, WebhookStatus
from robosure.contexts.notifications.tables import webhook_deliveries
from robosure.kernel.errors import Invalid
from robosure.kernel.ids import uuid7
from robosure.platform.runtime import Runtime
from robosure.platform.streams.ingest import Batch, read, written
from robosure.platform.streams.letters import dead_letters, put_aside
from tests.journey import PASSWORD, Json, World, answered, events_of
from tests.uploads import PDF

ARCHIVED: Final = date(2025, 1, 1)
INCIDENT: Final = datetime(2026, 3, 2, 11, tzinfo=UTC)
_ASSESSMENT: Final = {
    "coverage_code": "physical-damage",
    "basis": "replacement_cost",
    "loss_value": {"minor": 900_000, "currency": "EUR"},
}


@dataclass(frozen=True)
class Estate:
    """What belongs to an operator, to its manufacturer, and to the insurer.

    Attributes:
        ids: by name, as paths and bodies mention them, of all three.
        of_kind: by kind of organisation, what is another for each of them: the
            organisation itself, a colleague, a key, a webhook.
    """

    ids: dict[str, str]
    of_kind: dict[str, dict[str, str]]

    def named(self, kind: str) -> dict[str, str]:
        """Return the ids, with those that an organisation of the kind has."""
        return {**self.ids, **self.of_kind[kind]}


async def an_estate(world: World, runtime: Runtime, tag: str) -> Estate:
    """Build one for the world's operator and manufacturer."""
    robot_id = await _a_robot(world, tag)
    ids = {
        "operator": str(world.operator_id),
        "manufacturer": str(world.manufacturer_id),
        **robot_id,
    }
    robot = UUID(ids["robot"])
    ids["event"] = await _an_event(world, robot)
    await world.risk(robot)
    ids["letter"] = await _a_letter(runtime, robot)
    ids["archive"] = await _an_archive(runtime, tag)
    ids["quote"] = (await world.quote([robot]))["id"]
    policy = await world.policy([robot])
    ids |= {"policy": policy["id"], "policy_number": policy["number"]}
    ids |= await _claims(world, policy["number"], robot)
    query = {"policy_id": ids["policy"]}
    instalments = await world.admin.get("/instalments", params=query)
    ids["instalment"] = answered(instalments)["items"][0]["id"]
    messages = answered(await world.holder.get("/messages"))["items"]
    ids["message"] = messages[0]["id"]
    return Estate(ids, await _organisations(world, runtime, tag))


async def _a_robot(world: World, tag: str) -> dict[str, str]:
    model_id = await world.a_model(f"Model {tag}")
    document = {
        "serial_number": f"{tag}-1",
        "model_id": str(model_id),
        "operator_id": str(world.operator_id),
        "insured_value": {"minor": 2_800_000, "currency": "EUR"},
        "commissioned_on": "2021-06-01",
        "operating_environment": "factory",
        "firmware": "3.15.8",
    }
    robot = answered(await world.admin.post("/robots", json=document), 201)
    await world.deliver()
    return {
        "model": str(model_id),
        "model_name": f"Model {tag}",
        "robot": robot["id"],
        "serial_number": robot["serial_number"],
    }


async def _an_event(world: World, robot: UUID) -> str:
    samples = [
        {
            "id": f"sample-{n}",
            "time": time.isoformat(),
            "data": {"protective_stop": n == 1},
        }
        for n, time in enumerate(INCIDENT + timedelta(seconds=n) for n in range(3))
    ]
    assert await world.send_events(events_of(robot, samples)) == len(samples)
    await world.deliver()
    query = {"subject": str(robot)}
    events = answered(await world.admin.get("/events", params=query))["items"]
    return str(events[0]["uid"])


async def _a_letter(runtime: Runtime, robot: UUID) -> str:
    """Put an event of the robot aside, as the engine does."""
    sample = {"id": "failed", "time": INCIDENT.isoformat(), "data": {"cycle": 1}}
    batch = Batch(uuid7(), "request-1", runtime.clock.now(), None)
    (item,) = read(written(batch, 0, events_of(robot, [sample])))
    letter = EventProcessor([]).letter(item)
    async with runtime.database.write() as session:
        await put_aside(
            session,
            letter,
            error=Invalid("out_of_range"),
            attempts=3,
            at=runtime.clock.now(),
        )
        found = select(dead_letters.c.id).where(
            dead_letters.c.event_id == letter.event_id
        )
        return str((await session.execute(found)).scalar_one())


async def _an_archive(runtime: Runtime, tag: str) -> str:
    archive_id = uuid7()
    stored = await runtime.files.put(
        f"archives/{tag}", b"parquet", "application/octet-stream"
    )
    row = {
        "id": archive_id,
        "type": "robot.telemetry.v1",
        "first_day": ARCHIVED,
        "last_day": ARCHIVED,
        "events": 1,
        "file_key": f"archives/{tag}",
        "size": len(b"parquet"),
        "sha256": stored.sha256,
        "archived_at": runtime.clock.now(),
    }
    async with runtime.database.write() as session:
        await session.execute(insert(archives).values(row))
    return str(archive_id)


async def _claims(world: World, policy_number: str, robot: UUID) -> dict[str, str]:
    """Report two losses: one is open and has a file, the other one is paid."""
    report = await world.report(policy_number, robot, at=INCIDENT)
    claim_id = answered(report, 201)["id"]
    later = await world.report(policy_number, robot, at=INCIDENT + timedelta(minutes=1))
    paid_id = answered(later, 201)["id"]
    await world.deliver()
    files = {"file": ("note.pdf", PDF, "application/pdf")}
    attached = await world.holder.post(f"/claims/{claim_id}/attachments", files=files)
    evidence = answered(await world.admin.get(f"/claims/{claim_id}/evidence"))["items"]
    path = f"/claims/{paid_id}"
    answered(await world.adjuster.post(f"{path}/assessment", json=_ASSESSMENT))
    answered(await world.admin.post(f"{path}/approve"))
    await world.deliver()
    payouts = answered(await world.admin.get("/payouts"))["items"]
    return {
        "claim": claim_id,
        "paid_claim": paid_id,
        "attachment": answered(attached, 201)["id"],
        "evidence": evidence[0]["id"],
        "payout": next(p["id"] for p in payouts if p["claim_id"] == paid_id),
        "adjuster": str(world.people["adjuster"]),
    }


async def _organisations(
    world: World, runtime: Runtime, tag: str
) -> dict[str, dict[str, str]]:
    """Make a colleague, a key and a webhook in each organisation."""
    organisations = {
        "insurer": world.insurer_id,
        "operator": world.operator_id,
        "manufacturer": world.manufacturer_id,
    }
    return {
        kind: await _belongings(world, runtime, kind, organisation, f"{tag}-{kind}")
        for kind, organisation in organisations.items()
    }


async def _belongings(
    world: World, runtime: Runtime, kind: str, organisation: UUID, tag: str
) -> dict[str, str]:
    role = {"insurer": "support", "operator": "policyholder"}.get(kind, "admin")
    person = {
        "organisation_id": str(organisation),
        "email": f"colleague-{tag}@example.com",
        "name": f"Colleague {tag}",
        "password": PASSWORD,
        "roles": [role],
        "skills": [],
    }
    key = {
        "organisation_id": str(organisation),
        "name": f"Key {tag}",
        "scopes": ["products:read"],
    }
    hook = {"url": f"https://{tag}.example.com/hook"}
    admin_role = "admin" if kind == "insurer" else f"{kind}_admin"
    own = world.api.as_(admin_role, organisation=organisation, kind=kind)
    user = answered(await world.admin.post("/users", json=person), 201)
    if role == "admin":  # one of two, since the last would not be erased
        deputy = {**person, "email": f"deputy-{tag}@example.com"}
        answered(await world.admin.post("/users", json=deputy), 201)
    api_key = answered(await world.admin.post("/api-keys", json=key), 201)
    rotate = f"/api-keys/{api_key['api_key']['id']}/rotate"
    answered(await world.admin.post(rotate, json={}), 201)
    endpoint = answered(await own.post("/webhook-endpoints", json=hook), 201)[
        "endpoint"
    ]
    provider = {
        "kind": "oidc",
        "issuer": f"https://{tag}.example.com",
        "client_id": "robosure",
        "client_secret": "a secret",
        "enabled": False,
    }
    providers = [
        answered(
            await own.post("/identity-providers", json={**provider, "name": name}), 201
        )["id"]
        for name in (f"Company {tag}", f"Spare {tag}")
    ]
    return {
        "organisation": str(organisation),
        "user": user["id"],
        "email": user["email"],
        "role": role,
        "api_key": api_key["api_key"]["id"],
        **await _an_insurers(world, kind, tag),
        "endpoint": endpoint["id"],
        "identity_provider": providers[0],
        "identity_provider_name": f"Company {tag}",
        "spare_identity_provider": providers[1],
        "delivery": await _a_delivery(runtime, organisation, UUID(endpoint["id"])),
    }


async def _an_insurers(world: World, kind: str, tag: str) -> dict[str, str]:
    """Return what the insurer has alone; for others, the same of another insurer."""
    insurer = world.insurer_id
    if kind != "insurer":
        insurer = await _organisation(world, "insurer", f"Rival of {tag}")
    theirs = world.api.as_("admin", organisation=insurer)
    limits = answered(await theirs.get("/authority-limits?status=approved"))["items"]
    role = {
        "name": f"reader_{tag.replace('-', '_')}",
        "description": "Looks into claims.",
        "permissions": ["claims:read"],
    }
    custom = answered(await theirs.post("/custom-roles", json=role), 201)
    return {"limit": limits[0]["id"], "custom_role": custom["id"]}


async def _a_delivery(runtime: Runtime, organisation: UUID, endpoint: UUID) -> str:
    """Note a webhook as delivered, without sending any."""
    delivery, now = uuid7(), runtime.clock.now()
    row: Json = {
        "id": delivery,
        "version": 1,
        "message_id": f"msg_{delivery}",
        "event_id": uuid7(),
        "endpoint_id": endpoint,
        "organisation_id": organisation,
        "event_type": EventType.INSTALMENT_PAID,
        "occurred_at": now,
        "body": "{}",
        "status": WebhookStatus.DELIVERED,
        "created_at": now,
        "attempts": 1,
        "failures": 0,
        "delivered_at": now,
    }
    async with runtime.database.write() as session:
        await session.execute(insert(webhook_deliveries).values(row))
    return str(delivery)


async def two_estates(world: World, runtime: Runtime) -> tuple[Estate, Estate]:
    """Build the estate of the world's operator, and that of another one."""
    others = replace(
        world,
        operator_id=await _organisation(world, "operator", "Other Lines"),
        manufacturer_id=await _organisation(world, "manufacturer", "Other Works"),
    )
    await world.deliver()
    return (
        await an_estate(world, runtime, "own"),
        await an_estate(others, runtime, "other"),
    )


async def _organisation(world: World, kind: str, name: str) -> UUID:
    document = {"kind": kind, "name": name, "email": "o@example.com", "country": "DE"}
    answer = await world.admin.post("/organisations", json=document)
    return UUID(answered(answer, 201)["id"])


def filled(template: Any, ids: dict[str, str]) -> Any:
    """Replace ``{name}`` in all texts of a document by that id."""
    if isinstance(template, str):
        return template.format_map(ids) if "{" in template else template
    if isinstance(template, dict):
        return {key: filled(value, ids) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, ids) for value in template]
    return template
