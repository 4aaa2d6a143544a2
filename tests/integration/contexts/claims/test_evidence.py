"""Evidence and attachments: frozen, verified, and shown to the parties only."""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from robosure.contexts.claims import tables
from robosure.contexts.eventflow.events import TelemetryExtracted
from robosure.kernel.ids import uuid7
from tests.integration.contexts.claims.conftest import TELEMETRY, Scene
from tests.support import code_of
from tests.unit.contexts.claims.factories import INCIDENT
from tests.uploads import (
    CSV,
    JSON,
    MP4,
    PAGE,
    PNG,
    SVG,
    a_bomb,
    a_gzip,
    a_pdf,
    a_picture,
    encrypted,
    with_a_script,
)


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


@pytest.mark.parametrize(
    ("content", "content_type", "name"),
    [
        (a_picture("JPEG"), "image/jpeg", "arm.jpeg"),
        (a_picture("HEIF"), "image/heic", "IMG_0042.HEIC"),
        (a_pdf(), "application/pdf", "offer.pdf"),
        (CSV, "text/csv; charset=utf-8", "telemetry.csv"),
        (JSON, "application/json", "telemetry.json"),
        (a_gzip(), "application/gzip", "telemetry.json.gz"),
        (MP4, "video/mp4", "stop.mp4"),
    ],
    ids=["jpeg", "heic", "pdf", "csv", "json", "gzip", "mp4"],
)
async def test_what_robots_and_phones_make_is_taken(
    scene: Scene, content: bytes, content_type: str, name: str
) -> None:
    path = f"/claims/{await scene.report()}/attachments"
    files = a_file(content, name, content_type)
    attached = (await scene.holder.post(path, files=files)).json()
    found = content_type.partition(";")[0]
    assert (attached["name"], attached["content_type"]) == (name, found)
    answer = await scene.admin.get(f"{path}/{attached['id']}/content")
    assert answer.content == content
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (a_file(b""), "attachment_empty"),
        (a_file(PAGE, "page.html", "text/html"), "content_type_not_allowed"),
        (a_file(PAGE, "arm.png", "image/png"), "content_type_not_allowed"),
        (a_file(SVG, "arm.svg", "image/svg+xml"), "content_type_not_allowed"),
        (a_file(a_picture("BMP")), "content_type_not_allowed"),
        (a_file(content_type="text/html"), "content_type_contradicted"),
        (a_file(a_pdf()), "content_type_contradicted"),
        (a_file(CSV, "a.json", "application/json"), "content_type_contradicted"),
        (a_file(PNG[:40]), "image_unreadable"),
        (a_file(b"GIF89a=1;alert(1)//", "a.gif", "image/gif"), "image_unreadable"),
        (a_file(a_bomb()), "image_too_large"),
        (a_file("Größe,m\n1,2\n".encode("cp1252"), "a.csv", ""), "text_not_utf8"),
        (a_file(a_pdf()[:-20], "a.pdf", ""), "document_unreadable"),
        (a_file(a_pdf(with_a_script), "a.pdf", ""), "document_active"),
        (a_file(a_pdf(encrypted), "a.pdf", ""), "document_encrypted"),
        (a_file(MP4[:-20], "a.mp4", ""), "recording_unreadable"),
        (a_file(a_gzip(JSON)[:-9], "a.gz", ""), "archive_unreadable"),
        (a_file(a_gzip(PAGE), "a.gz", ""), "archive_content_not_allowed"),
        (a_file(a_gzip(bytes(2**23)), "a.gz", ""), "archive_content_not_allowed"),
        (a_file(a_gzip(b"1,2\n" * 2**20), "a.gz", ""), "archive_too_large"),
    ],
    ids=map(str, count()),
)
async def test_what_is_not_what_it_must_be_is_refused_and_not_kept(
    scene: Scene, files: Any, code: str
) -> None:
    claim_id = await scene.report()
    path = f"/claims/{claim_id}/attachments"
    before = await scene.claim(claim_id)
    answer = await scene.holder.post(path, files=files)
    assert (answer.status_code, code_of(answer)) == (422, code)
    assert (await scene.admin.get(path)).json()["items"] == []
    assert await scene.claim(claim_id) == before
    assert kept(scene, claim_id) == []


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("../../etc/passwd", "passwd.png"),
        ("..\\..\\boot.ini", "boot.ini.png"),
        ("arm.png\x00.html", "arm.png.html.png"),
        ("arm\u202egnp.exe", "armgnp.exe.png"),
        ("x" * 2_000, "x" * 200 + ".png"),
    ],
)
async def test_a_name_is_a_label_and_names_nothing(
    scene: Scene, name: str, label: str
) -> None:
    # given a file whose name would be somewhere else, something else or too long
    claim_id = await scene.report()
    path = f"/claims/{claim_id}/attachments"
    attached = await sent_as_named(scene.holder, path, name)
    # then it is kept under its hash, where files of that claim are
    assert attached["name"] == label
    assert kept(scene, claim_id) == [sha256(PNG).hexdigest()]
    # and comes back by its label, as what it is
    answer = await scene.admin.get(f"{path}/{attached['id']}/content")
    said = answer.headers["content-disposition"]
    assert said == f'attachment; filename="{label}"'
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_polyglot_comes_back_as_what_it_was_taken_for(scene: Scene) -> None:
    # given a picture that is a page as well, if anybody takes it for one
    path = f"/claims/{await scene.report()}/attachments"
    both = PNG + PAGE
    attached = (await scene.holder.post(path, files=a_file(both, "page.html"))).json()
    assert attached["name"] == "page.html.png"
    # then nothing tells a browser that it may be
    answer = await scene.admin.get(f"{path}/{attached['id']}/content")
    assert answer.content == both
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_what_is_too_large_or_of_others_is_not_taken(scene: Scene) -> None:
    path = f"/claims/{await scene.report()}/attachments"
    large = a_file(content=b"x" * (scene.runtime.settings.max_body_bytes + 1))
    answer = await scene.holder.post(path, files=large)
    assert (answer.status_code, code_of(answer)) == (413, "body_too_large")
    strangers = scene.api.as_("policyholder", kind="operator")
    hidden = await strangers.post(path, files=a_file())
    assert (hidden.status_code, code_of(hidden)) == (404, "claim_not_found")
    assert (await scene.admin.get(path)).json()["items"] == []


async def sent_as_named(client: httpx.AsyncClient, path: str, name: str) -> Any:
    """Send a picture under a name that a client would not let through as it is."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="'
        + name.encode()
        + b'"\r\nContent-Type: image/png\r\n\r\n'
        + PNG
        + b"\r\n--b--\r\n"
    )
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await client.post(path, content=body, headers=form)
    assert answer.status_code == 201, answer.text
    return answer.json()


def kept(scene: Scene, claim_id: str) -> list[str]:
    """Return what a claim's files are called where they are kept."""
    home = scene.runtime.settings.files_directory
    ours = home / "claims" / claim_id / "attachments"
    return [path.name for path in ours.iterdir()] if ours.exists() else []
