"""Files are inspected aside, and a few at a time."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest

from robosure.kernel.errors import Invalid
from robosure.platform.uploads import Inspector, inspection
from tests.uploads import CSV, PNG, a_pdf

ALLOWED = {"image/png", "text/csv"}


async def inspected(content: bytes, declared: str | None = None) -> str:
    upload = await Inspector(
        max_pixels=10_000, max_unpacked=10_000, scanner=None
    ).inspect(content, name="../arm.png", declared=declared, allowed=ALLOWED)
    assert upload.content == content
    return f"{upload.name} {upload.content_type}"


async def test_what_is_taken_has_a_label_and_a_type() -> None:
    assert await inspected(PNG, "image/png") == "arm.png image/png"
    assert await inspected(CSV) == "arm.png.csv text/csv"


@pytest.mark.parametrize(
    ("content", "declared", "code"),
    [
        (b"", "image/png", "attachment_empty"),
        (b"\x00", "image/png", "content_type_not_allowed"),
        (a_pdf(), "application/pdf", "content_type_not_allowed"),
        (PNG, "text/csv", "content_type_contradicted"),
        (PNG[:-40], "image/png", "image_unreadable"),
    ],
    ids=map(str, count()),
)
async def test_what_is_not_taken_is_refused_with_a_code(
    content: bytes, declared: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await inspected(content, declared)
    assert refused.value.code == code


async def test_the_event_loop_goes_on_and_two_are_inspected_at_once() -> None:
    # given ten files, each of which takes until it is told to go on
    running: list[int] = []
    loop, release = asyncio.get_running_loop(), asyncio.Event()

    def kind_of(_content: bytes, **_: Any) -> str:
        running.append(len(running))
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
        return "image/png"

    inspector = Inspector(max_pixels=10_000, max_unpacked=10_000, scanner=None)
    with patch.object(inspection, "kind_of", kind_of):
        waiting = [
            asyncio.create_task(
                inspector.inspect(PNG, name="a", declared=None, allowed=ALLOWED)
            )
            for _ in range(10)
        ]
        # when the loop has had time for all of them
        async with asyncio.timeout(10):
            while len(running) < 2:  # noqa: ASYNC110 - threads have no event for it
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        # then two were begun, and the others are when these are done
        assert len(running) == 2
        release.set()
        await asyncio.gather(*waiting)
    assert len(running) == 10
