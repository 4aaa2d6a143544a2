"""Whatever is handed out as text says in which letters (OWASP ASVS 5.0, 4.1.1)."""

from __future__ import annotations

import asyncio

import pytest

from robosure.platform.http import download
from tests.support import ApiClient
from tests.uploads import CSV
from tests.wire import listening

ASKED = {
    ("/metrics", "text/plain"),
    ("/api/v1/events/export", "text/csv"),
    ("/api/v1/events/stream", "text/event-stream"),
    ("/api/v1/claims/{claim_id}/attachments/{attachment_id}/content", "text/csv"),
    ("/api/v1/auth/sso/{provider_id}", "text/html"),
}
"""The last two are asked where there is a claim, in ``test_evidence.py``, and where
there is a provider, in ``test_explicit_sign_on.py``."""


async def test_every_answer_that_is_text_is_asked_here(api: ApiClient) -> None:
    texts = {
        (path, media_type)
        for path, methods in api.app.openapi()["paths"].items()
        for described in methods.values()
        for answer in described.get("responses", {}).values()
        for media_type in answer.get("content", {})
        if media_type.startswith("text/") or media_type.endswith("xml")
    }
    assert texts == ASKED


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/metrics", "text/plain; version=1.0.0; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/redoc", "text/html; charset=utf-8"),
        ("/api/v1/events/export?format=csv", "text/csv; charset=utf-8"),
    ],
)
async def test_text_says_its_charset(
    api: ApiClient, path: str, media_type: str
) -> None:
    async with api.as_("admin") as client:
        answer = await client.get(f"http://robosure.test{path}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == media_type


async def test_what_is_followed_live_says_its_charset(api: ApiClient) -> None:
    bearer = api.as_("admin").headers["Authorization"]
    head = f"GET /api/v1/events/stream HTTP/1.1\r\nHost: a\r\nAuthorization: {bearer}"
    async with listening(api.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{head}\r\n\r\n".encode())
        async with asyncio.timeout(20):
            answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\ncontent-type: text/event-stream; charset=utf-8\r\n" in answer.lower()


def test_a_file_of_text_says_its_charset_and_no_other_does() -> None:
    def said(media_type: str) -> str:
        answer = download(CSV, name="a", media_type=media_type, sha256="0")
        return answer.headers["content-type"]

    assert said("text/csv") == "text/csv; charset=utf-8"
    assert said("application/json") == "application/json"
    assert said("application/gzip") == "application/gzip"
