"""What is uploaded is cut off while it arrives, whoever sends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from robosure.kernel.ids import uuid7
from tests.support import ApiClient
from tests.uploads import PNG
from tests.wire import answered, listening

PIECE = 65_536


async def without_an_end(length: int) -> AsyncIterator[bytes]:
    """Send a picture's beginning, so much of what may follow, and no end."""
    head = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="arm.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + PNG
    )
    yield f"{len(head):x}\r\n".encode() + head + b"\r\n"
    for _ in range(length // PIECE):
        yield f"{PIECE:x}\r\n".encode() + b"\x00" * PIECE + b"\r\n"
    await asyncio.Event().wait()


async def test_an_upload_that_is_too_large_is_refused_before_its_end(
    api: ApiClient,
) -> None:
    # given somebody who may attach files, and one that is larger than they may be
    limit = api.edge.runtime.settings.max_body_bytes
    bearer = api.as_("policyholder", kind="operator").headers["Authorization"]
    head = "\r\n".join(
        [
            f"POST /api/v1/claims/{uuid7()}/attachments HTTP/1.1",
            "Host: a",
            f"Authorization: {bearer}",
            "Content-Type: multipart/form-data; boundary=b",
            "Transfer-Encoding: chunked",
            "",
            "",
        ]
    )
    # when only a little more than is taken arrives, and the rest never does
    async with listening(api.app) as port:
        status, answer, sent = await answered(port, head, without_an_end(limit + PIECE))
    # then the server has said so, and hung up
    assert (status, b'"code":"body_too_large"' in answer) == (413, True)
    assert b"connection: close" in answer.lower()
    assert limit < sent < limit + 4 * PIECE
