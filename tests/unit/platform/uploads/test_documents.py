"""A PDF is read apart from the process, and shows what is in it and does nothing."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from robosure.kernel.errors import Invalid
from robosure.platform.uploads import documents, pdf_reader
from robosure.platform.uploads.documents import document_type
from robosure.platform.uploads.pdf_reader import verdict_on
from tests.uploads import PAGE, a_pdf, encrypted, with_a_script

Change = Callable[[PdfWriter], object]


def action(kind: str, *, apart: bool = False) -> Change:
    """Let the document do something as it is opened."""

    def change(writer: PdfWriter) -> None:
        name = NameObject(kind)
        said = writer._add_object(name) if apart else name
        does = DictionaryObject({NameObject("/S"): said})
        writer.root_object[NameObject("/OpenAction")] = writer._add_object(does)

    return change


def annotation(kind: str) -> Change:
    def change(writer: PdfWriter) -> None:
        shown = DictionaryObject({NameObject("/Subtype"): NameObject(kind)})
        listed = ArrayObject([writer._add_object(shown)])
        writer.pages[0][NameObject("/Annots")] = listed

    return change


def key(name: str) -> Change:
    def change(writer: PdfWriter) -> None:
        form = DictionaryObject({NameObject(name): TextStringObject("x")})
        writer.root_object[NameObject("/AcroForm")] = form

    return change


def nested(depth: int) -> Change:
    def change(writer: PdfWriter) -> None:
        inside = ArrayObject([NumberObject(1)])
        for _ in range(depth):
            inside = ArrayObject([inside])
        writer.root_object[NameObject("/Deep")] = inside

    return change


def no_pages(writer: PdfWriter) -> None:
    tree = writer.root_object["/Pages"]
    assert isinstance(tree, DictionaryObject)
    tree[NameObject("/Kids")] = ArrayObject()
    tree[NameObject("/Count")] = NumberObject(0)


def wide(writer: PdfWriter) -> None:
    many = ArrayObject([NumberObject(1)] * 200_000)
    writer.root_object[NameObject("/Wide")] = many


def hidden(content: bytes) -> bytes:
    """Spell a script's key as names may be spelt."""
    return content.replace(b"/JS ", b"/#4aS ").replace(b"/JavaScript", b"/J#61vaScript")


@pytest.mark.parametrize(
    "change",
    [
        None,
        action("/GoTo"),
        action("/URI"),
        annotation("/Link"),
        annotation("/Widget"),
        key("/Fields"),
        nested(20),
    ],
    ids=map(str, count()),
)
def test_a_document_that_shows_what_is_in_it_is_taken(change: Change | None) -> None:
    assert verdict_on(a_pdf(change)) == pdf_reader.SOUND


@pytest.mark.parametrize(
    "content",
    [
        a_pdf(with_a_script),
        hidden(a_pdf(with_a_script)),
        a_pdf(lambda writer: writer.add_attachment("run.js", b"alert(1)")),
        a_pdf(action("/Launch")),
        a_pdf(action("/Launch", apart=True)),
        a_pdf(action("/SubmitForm")),
        a_pdf(action("/ImportData")),
        a_pdf(annotation("/FileAttachment")),
        a_pdf(annotation("/RichMedia")),
        a_pdf(key("/XFA")),
        a_pdf(key("/AA")),
    ],
    ids=map(str, count()),
)
def test_a_document_that_does_something_or_brings_files_is_refused(
    content: bytes,
) -> None:
    assert verdict_on(content) == pdf_reader.ACTIVE


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (a_pdf(lambda w: w.encrypt("x", algorithm="RC4-128")), pdf_reader.ENCRYPTED),
        (a_pdf(encrypted), pdf_reader.ENCRYPTED),
        (a_pdf(wide), pdf_reader.COMPLEX),
        (a_pdf(no_pages), pdf_reader.UNREADABLE),
        (a_pdf()[:-20], pdf_reader.UNREADABLE),
        (a_pdf()[: len(a_pdf()) // 2], pdf_reader.UNREADABLE),
        (b"%PDF-1.7\n" + PAGE, pdf_reader.UNREADABLE),
        (b"%PDF-1.7\n" + PAGE + b"\n%%EOF", pdf_reader.UNREADABLE),
        (b"%PDF-1.7\nstartxref\n9\n%%EOF", pdf_reader.UNREADABLE),
        (b"", pdf_reader.UNREADABLE),
    ],
    ids=map(str, count()),
)
def test_a_document_that_cannot_be_looked_into_is_refused(
    content: bytes, verdict: str
) -> None:
    assert verdict_on(content) == verdict


@given(st.data())
def test_anything_gets_a_verdict(data: st.DataObject) -> None:
    content = bytearray(a_pdf())
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(max_size=4) | st.sampled_from(PIECES))
        content[at : at + data.draw(st.integers(0, 4))] = piece
    assert verdict_on(bytes(content)) in {*documents._REFUSALS, pdf_reader.SOUND}


PIECES = [
    b"<<",
    b">>",
    b"[",
    b"]",
    b"1 0 R",
    b"endobj",
    b"stream\n",
    b"/Kids",
    b"9" * 9,
]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (a_pdf(action("/Launch")), "document_active"),
        (a_pdf(lambda w: w.encrypt("x", algorithm="RC4-128")), "document_encrypted"),
        (a_pdf()[:-20], "document_unreadable"),
        (a_pdf(wide), "document_too_complex"),
    ],
    ids=map(str, count()),
)
def test_a_verdict_is_a_code(content: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        document_type(content)
    assert refused.value.code == code


def test_a_document_that_is_nested_without_end_is_refused() -> None:
    deep = b"/Deep " + b"[" * 100_000 + b"]" * 100_000 + b" /Type /Catalog"
    content = a_pdf().replace(b"/Type /Catalog", deep)
    assert len(content) > 200_000
    with pytest.raises(Invalid, match=r"document (too complex|unreadable)"):
        document_type(content)


def test_a_sound_document_is_taken() -> None:
    assert document_type(a_pdf()) == "application/pdf"


def test_a_reader_that_does_not_end_is_ended() -> None:
    ended: list[bool] = []
    run = subprocess.run

    def endless(command: list[str], **how: Any) -> Any:
        try:
            return run([command[0], "-c", "import time; time.sleep(60)"], **how)
        except subprocess.TimeoutExpired:
            ended.append(True)
            raise

    with (
        patch.object(documents, "_PATIENCE_SECONDS", 0.2),
        patch.object(subprocess, "run", endless),
        pytest.raises(Invalid, match="document too complex"),
    ):
        document_type(a_pdf())
    assert ended == [True]


@pytest.mark.parametrize(
    ("does", "died"),
    [
        ("bytearray(2 * pdf_reader.MEMORY_BYTES)", (1, "MemoryError")),
        ("while True: pass", (-signal.SIGKILL, "")),
    ],
)
def test_a_reader_takes_so_much_memory_and_time(
    does: str, died: tuple[int, str]
) -> None:
    # given a reader that is bound, and may compute for five seconds
    program = (
        f"import sys; sys.path.insert(0, {str(Path(pdf_reader.__file__).parent)!r})\n"
        f"import pdf_reader\npdf_reader.CPU_SECONDS = 5\npdf_reader._bound()\n{does}\n"
    )
    run, ended = subprocess.run, list[tuple[int, str]]()

    def instead(command: list[str], **how: Any) -> Any:
        done = run([*command[:2], "-c", program], **how)
        last = done.stderr.decode().strip().rpartition("\n")[2]
        ended.append((done.returncode, last))
        return done

    # when it takes more, it dies, and the document is refused
    with (
        patch.object(subprocess, "run", instead),
        patch.object(documents, "_PATIENCE_SECONDS", 90),
        pytest.raises(Invalid, match="document too complex"),
    ):
        document_type(a_pdf())
    assert ended == [died]
