"""The adapters that need no server: files, the mail sink, documents."""

from __future__ import annotations

import hashlib
import os
from email import message_from_bytes, policy
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pypdf
import pytest
import typst

from robosure.kernel.errors import Invalid, NotFound
from robosure.platform.documents import compile_pdf
from robosure.platform.files import LocalFiles
from robosure.platform.mail import MailSink, Message, SmtpMailer, mailer_from
from robosure.platform.settings import Settings


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*"))


async def test_a_file_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path / "files")
    stored = await files.put("claims/1/photo.jpg", b"bytes", "image/jpeg")
    assert (stored.key, stored.size) == ("claims/1/photo.jpg", 5)
    assert stored.sha256 == hashlib.sha256(b"bytes").hexdigest()
    assert await files.get("claims/1/photo.jpg") == b"bytes"


async def test_the_same_key_is_replaced(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    await files.put("a", b"one", "text/plain")
    await files.put("a", b"two", "text/plain")
    assert await files.get("a") == b"two"
    assert names_in(tmp_path) == ["a"]


@pytest.mark.parametrize("key", ["missing", "a/b/c", "folder", "folder/file/below"])
async def test_a_file_that_is_not_there_is_not_found(tmp_path: Path, key: str) -> None:
    files = LocalFiles(tmp_path)
    await files.put("folder/file", b"x", "text/plain")
    with pytest.raises(NotFound) as refused:
        await files.get(key)
    assert refused.value.code == "file_not_found"


@pytest.mark.parametrize(
    "key", ["../outside", "a/../../outside", "/etc/passwd", "", ".", "a/..", "nul\0l"]
)
async def test_a_key_that_leads_outside_is_refused(tmp_path: Path, key: str) -> None:
    files = LocalFiles(tmp_path / "files")
    for action in (files.get(key), files.put(key, b"x", "text/plain")):
        with pytest.raises(Invalid) as refused:
            await action
        assert refused.value.code == "invalid_file_key"
    assert names_in(tmp_path) == []


async def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "way-out").symlink_to(tmp_path)
    with pytest.raises(Invalid):
        await LocalFiles(tmp_path / "files").put("way-out/x", b"x", "text/plain")
    assert not (tmp_path / "x").exists()


async def test_a_file_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    # given a file, and a disk that fails while another is written over it
    files = LocalFiles(tmp_path)
    await files.put("a", b"old", "text/plain")
    with (
        patch.object(os, "fsync", side_effect=OSError(28, "no space left")),
        pytest.raises(OSError, match="no space left"),
    ):
        await files.put("a", b"new", "text/plain")
    # then the old one stands, and nothing lies about
    assert await files.get("a") == b"old"
    assert names_in(tmp_path) == ["a"]


def a_message(**changes: Any) -> Message:
    values: dict[str, Any] = {
        "to": "alice@example.com",
        "subject": "Grüße, bound",
        "text": "Your policy POL-1 is bound.",
        "html": "<p>Your policy POL-1 is bound.</p>",
        "message_id": "delivery-1",
    }
    return Message(**{**values, **changes})


def sink(directory: Path) -> MailSink:
    return MailSink(Settings(_env_file=None, mail_directory=directory))


async def test_the_sink_writes_a_message_that_mail_programs_open(
    tmp_path: Path,
) -> None:
    await sink(tmp_path / "mail").send(a_message())
    content = (tmp_path / "mail" / "delivery-1.eml").read_bytes()
    email = message_from_bytes(content, policy=policy.default)
    assert email["To"] == "alice@example.com"
    assert email["Subject"] == "Grüße, bound"
    assert email["Message-ID"] == "<delivery-1@robosure.local>"
    parts = [part.get_content_type() for part in email.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]


async def test_the_same_message_is_the_same_file(tmp_path: Path) -> None:
    for _ in range(2):
        await sink(tmp_path).send(a_message(html=None))
    await sink(tmp_path).send(a_message(message_id="../../way/out"))
    assert names_in(tmp_path) == [".._.._way_out.eml", "delivery-1.eml"]


@pytest.mark.parametrize("field", ["to", "subject", "message_id"])
async def test_a_line_break_cannot_add_a_header(tmp_path: Path, field: str) -> None:
    smuggled = a_message(**{field: "x\r\nBcc: everyone@example.com"})
    with pytest.raises(Invalid) as refused:
        await sink(tmp_path).send(smuggled)
    assert refused.value.code == "mail_refused"
    assert names_in(tmp_path) == []


def test_mail_goes_to_the_sink_unless_a_server_is_named() -> None:
    assert isinstance(mailer_from(Settings(_env_file=None)), MailSink)
    smtp = Settings(_env_file=None, smtp_host="mail.example.com")
    assert isinstance(mailer_from(smtp), SmtpMailer)


async def test_a_template_and_data_become_a_pdf() -> None:
    template = "#let data = json(bytes(sys.inputs.data))\nPolicy #data.number"
    pdf = await compile_pdf(template, {"number": "POL-2026-000042"})
    assert pdf.startswith(b"%PDF-")
    assert "POL-2026-000042" in pypdf.PdfReader(BytesIO(pdf)).pages[0].extract_text()


async def test_data_cannot_run_as_a_template() -> None:
    template = "#let data = json(bytes(sys.inputs.data))\n#data.name"
    pdf = await compile_pdf(template, {"name": '#read("/etc/passwd")'})
    text = pypdf.PdfReader(BytesIO(pdf)).pages[0].extract_text()
    assert 'read("/etc/passwd")' in text.replace("”", '"').replace("“", '"')


async def test_a_template_that_is_wrong_says_so() -> None:
    with pytest.raises(typst.TypstError):
        await compile_pdf("#nothing-like-this()", {})
