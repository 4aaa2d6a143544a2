"""What strangers attach is scanned before it is kept."""

from __future__ import annotations

from hashlib import sha256

import httpx
from structlog.testing import capture_logs

from robosure.platform.metrics import exposition
from tests.clamav import EICAR, a_scanner
from tests.integration.contexts.claims.conftest import Scene
from tests.support import code_of
from tests.uploads import CSV

BAD = b"name,content\r\neicar," + EICAR + b"\r\n"


async def attached(scene: Scene, claim_id: str, content: bytes) -> httpx.Response:
    files = {"file": ("a.csv", content, "text/csv")}
    return await scene.holder.post(f"/claims/{claim_id}/attachments", files=files)


async def kept(scene: Scene, claim_id: str) -> tuple[int, int]:
    """Count the files of a claim as the API tells them, and where they are kept."""
    listed = await scene.admin.get(f"/claims/{claim_id}/attachments")
    home = scene.runtime.settings.files_directory / "claims" / claim_id / "attachments"
    stored = len(list(home.iterdir())) if home.exists() else 0
    return len(listed.json()["items"]), stored


async def test_a_file_in_which_nothing_is_found_is_kept(scene: Scene) -> None:
    claim_id = await scene.report()
    async with a_scanner() as (scanner, url):
        with scene.api.with_settings(clamav_url=url):
            answer = await attached(scene, claim_id, CSV)
    assert answer.status_code == 201, answer.text
    assert scanner.scanned == [len(CSV)]
    assert await kept(scene, claim_id) == (1, 1)


async def test_an_infected_file_is_refused_not_kept_and_told_of(scene: Scene) -> None:
    claim_id = await scene.report()
    before = await scene.claim(claim_id)
    # when somebody attaches what the scanner knows
    async with a_scanner() as (_, url):
        with scene.api.with_settings(clamav_url=url), capture_logs() as lines:
            answer = await attached(scene, claim_id, BAD)
    # then they are told what it is, and nothing of it stays
    assert (answer.status_code, code_of(answer)) == (422, "file_infected")
    assert "Eicar-Test-Signature" in answer.json()["detail"]
    assert await kept(scene, claim_id) == (0, 0)
    assert await scene.claim(claim_id) == before
    # and so is whoever watches, with who did it
    (line,) = [x for x in lines if x["event"] == "platform.security.file_infected"]
    assert line["signature"] == "Eicar-Test-Signature"
    assert line["sha256"] == sha256(BAD).hexdigest()
    assert line["endpoint"] == "/api/v1/claims/{claim_id}/attachments"
    assert line["actor"] is not None
    assert line["log_level"] == "warning"
    assert "uploads_infected_total" in exposition().decode()


async def test_while_the_scanner_is_away_no_file_is_taken(scene: Scene) -> None:
    claim_id = await scene.report()
    with (
        scene.api.with_settings(clamav_url="tcp://127.0.0.1:1"),
        capture_logs() as lines,
    ):
        answer = await attached(scene, claim_id, CSV)
    assert (answer.status_code, code_of(answer)) == (503, "scanner_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert await kept(scene, claim_id) == (0, 0)
    assert "platform.uploads.scanner_away" in {line["event"] for line in lines}
    # and it is once there is one again
    async with a_scanner() as (_, url):
        with scene.api.with_settings(clamav_url=url):
            assert (await attached(scene, claim_id, CSV)).status_code == 201


async def test_readiness_says_whether_files_can_be_scanned(scene: Scene) -> None:
    async def said() -> tuple[int, str]:
        async with scene.api.anonymous() as client:
            answer = await client.get("http://robosure.test/ready")
        return answer.status_code, answer.json()["checks"]["scanner"]

    assert await said() == (200, "off")
    async with a_scanner() as (_, url):
        with scene.api.with_settings(clamav_url=url):
            assert await said() == (200, "ok")
    with scene.api.with_settings(clamav_url=url):
        assert await said() == (200, "no answer")
