"""Evidence and attachments: frozen, verified, and shown to the parties only."""

from __future__ import annotations

from hashlib import sha256

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from robosure.contexts.claims import tables
from robosure.contexts.eventflow.events import TelemetryExtracted
from robosure.kernel.ids import uuid7
from tests.integration.contexts.claims.conftest import TELEMETRY, Scene
from tests.support import code_of
from tests.unit.contexts.claims.factories import INCIDENT

PNG = b"\x89PNG\r\n\x1a\n and more"


def a_file(
    content: bytes = PNG, name: str = "fixture.png", content_type: str = "image/png"
) -> dict[str, tuple[str, bytes, str]]:
    return {"file": (name, content, content_type)}


async def test_telemetry_attaches_itself_and_is_downloaded_as_it_was(
    scene: Scene,
) -> None:
    claim_id = await scene.report()
    stored = await scene.attach_telemetry(claim_id, samples=100, stops=7)
    claim = await scene.claim(claim_id)
    assert claim["evidence_status"] == "attached"
    (evidence,) = claim["evidence"]
    assert evidence["status"] == "attached"
    assert evidence["samples"] == 100
    assert evidence["protective_stop_samples"] == 7
    assert evidence["grip_loss_samples"] == 3
    assert evidence["sha256"] == stored.sha256
    assert claim["triage"]["flags"] == []
    listed = (await scene.holder.get(f"/claims/{claim_id}/evidence")).json()
    assert listed == {"items": [evidence], "next_cursor": None}
    content = await scene.holder.get(
        f"/claims/{claim_id}/evidence/{evidence['id']}/content"
    )
    assert content.status_code == 200, content.text
    assert content.content == TELEMETRY
    assert content.headers["content-type"] == "application/gzip"
    assert content.headers["etag"] == f'"{stored.sha256}"'


@pytest.mark.parametrize(
    ("samples", "flag"), [(0, "no_telemetry"), (50, "no_protective_stop")]
)
async def test_telemetry_that_does_not_bear_out_the_report_is_flagged(
    scene: Scene, samples: int, flag: str
) -> None:
    claim_id = await scene.report()
    await scene.attach_telemetry(claim_id, samples=samples, stops=0)
    assert (await scene.claim(claim_id))["triage"]["flags"] == [flag]


async def test_evidence_that_has_not_arrived_cannot_be_downloaded(
    scene: Scene,
) -> None:
    claim_id = await scene.report()
    (evidence,) = (await scene.claim(claim_id))["evidence"]
    path = f"/claims/{claim_id}/evidence"
    early = await scene.holder.get(f"{path}/{evidence['id']}/content")
    assert early.status_code == 409
    assert code_of(early) == "evidence_pending"
    assert early.headers["retry-after"] == "1"
    missing = await scene.holder.get(f"{path}/{uuid7()}/content")
    assert missing.status_code == 404


async def test_a_tampered_file_is_not_handed_out(scene: Scene) -> None:
    claim_id = await scene.report()
    stored = await scene.attach_telemetry(claim_id)
    await scene.runtime.files.put(stored.key, b"tampered", "application/gzip")
    (evidence,) = (await scene.claim(claim_id))["evidence"]
    answer = await scene.admin.get(
        f"/claims/{claim_id}/evidence/{evidence['id']}/content"
    )
    assert answer.status_code == 409
    assert code_of(answer) == "file_corrupted"


async def test_the_database_lets_nobody_change_the_record(scene: Scene) -> None:
    claim_id = await scene.report()
    await scene.attach_telemetry(claim_id)
    await scene.holder.post(f"/claims/{claim_id}/attachments", files=a_file())
    for statement in (
        update(tables.evidence).values(window_end=tables.evidence.c.window_start),
        delete(tables.evidence),
        update(tables.timeline).values(details={}),
        delete(tables.timeline),
        update(tables.reserve_entries).values(case_minor=0),
        delete(tables.reserve_entries),
        update(tables.attachments).values(name="other.png"),
        delete(tables.attachments),
    ):
        with pytest.raises(IntegrityError, match="only ever added to"):
            async with scene.database.write() as session:
                await session.execute(statement)


async def test_another_extraction_changes_nothing(scene: Scene) -> None:
    claim_id = await scene.report()
    await scene.attach_telemetry(claim_id, samples=100)
    before = await scene.claim(claim_id)
    await scene.attach_telemetry(claim_id, samples=5, stops=0)
    assert await scene.claim(claim_id) == before


async def test_an_extraction_that_no_claim_asked_for_is_ignored(scene: Scene) -> None:
    claim_id = await scene.report()
    await scene.attach_telemetry(claim_id)
    before = await scene.claim(claim_id)
    await scene.tell(
        TelemetryExtracted(
            request_id=uuid7(),
            robot_id=scene.robot_id,
            window_start=INCIDENT,
            window_end=INCIDENT,
            samples=1,
            protective_stop_samples=0,
            grip_loss_samples=0,
            file_key="elsewhere",
            sha256="0" * 64,
        )
    )
    assert await scene.claim(claim_id) == before


async def test_a_file_is_attached_listed_and_downloaded(scene: Scene) -> None:
    claim_id = await scene.report()
    path = f"/claims/{claim_id}/attachments"
    answer = await scene.holder.post(path, files=a_file(name="../Fixtüre.png"))
    assert answer.status_code == 201, answer.text
    attached = answer.json()
    assert attached["name"] == "Fixtüre.png"
    assert attached["size"] == len(PNG)
    assert attached["sha256"] == sha256(PNG).hexdigest()
    listed = (await scene.admin.get(path)).json()
    assert listed == {"items": [attached], "next_cursor": None}
    content = await scene.admin.get(f"{path}/{attached['id']}/content")
    assert content.content == PNG
    assert content.headers["content-type"] == "image/png"
    assert content.headers["x-content-type-options"] == "nosniff"
    assert content.headers["content-disposition"].startswith("attachment; ")


async def test_the_same_content_is_attached_once(scene: Scene) -> None:
    claim_id = await scene.report()
    path = f"/claims/{claim_id}/attachments"
    await scene.holder.post(path, files=a_file())
    again = await scene.holder.post(path, files=a_file(name="other.png"))
    assert again.status_code == 409
    assert code_of(again) == "attachment_exists"
    async with scene.database.read() as session:
        names = (await session.scalars(select(tables.attachments.c.name))).all()
    assert list(names) == ["fixture.png"]


async def test_what_is_no_document_is_not_taken(scene: Scene) -> None:
    claim_id = await scene.report()
    path = f"/claims/{claim_id}/attachments"
    for files, code in (
        (a_file(content_type="text/html"), "content_type_not_allowed"),
        (a_file(content=b""), "attachment_empty"),
    ):
        answer = await scene.holder.post(path, files=files)
        assert answer.status_code == 422
        assert code_of(answer) == code
    large = a_file(content=b"x" * (scene.runtime.settings.max_body_bytes + 1))
    answer = await scene.holder.post(path, files=large)
    assert answer.status_code == 413
    strangers = scene.api.as_("policyholder", kind="operator")
    hidden = await strangers.post(path, files=a_file())
    assert hidden.status_code == 404
    assert (await scene.admin.get(path)).json()["items"] == []
