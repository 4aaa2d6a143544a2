"""Canaries: marked values to send, and everything that is looked through for them.

A secret and a person's particulars belong nowhere but into their own columns. Any other
text, such as what a thing is called, may be in the audit trail too, and nowhere else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from robosure.platform import tracing
from robosure.platform.logging import configure_logging
from robosure.platform.settings import Settings

FORGED: Final = "forged.by_canary.line_completed"
_BREAK: Final = f'\r\n{{"event":"{FORGED}"}}\n2026-03-02 [info] {FORGED}\n'
PASSWORD: Final = "Pw!canary-7Qxw93-long"
TOKEN: Final = "tok-canary-55c1e0d7a9"
CARD: Final = "4539578763621486"
PERSON: Final = "Canaria Birdsong"
ADDRESS: Final = "canary.bird@leak.example"
PHONE: Final = "+49 30 9018273645"
TEXT: Final = "Cage of canaries"

SECRET: Final = (PASSWORD, TOKEN, CARD)
PERSONAL: Final = (PERSON, "canary.bird@", PHONE)
SECRET_OR_PERSONAL: Final = (*SECRET, *PERSONAL)
ALL: Final = (*SECRET, *PERSONAL, TEXT)
EVERYTHING: Final = f"{TEXT} {PERSON} {ADDRESS} {CARD} {TOKEN} {PASSWORD}{_BREAK}"

_BY_FIELD: Final[Mapping[str, str]] = {
    "password": PASSWORD,
    "new_password": PASSWORD,
    "token": TOKEN,
    "username": ADDRESS,
    "email": ADDRESS,
    "phone": PHONE,
    "payment_method": TOKEN,
    "description": f"{TEXT}{_BREAK}",
    "reason": f"{TEXT}{_BREAK}",
    "serial_number": TEXT,
    "firmware": TEXT,
}
"""What is put into a field of that name; it takes it."""


def marked(document: Any, *, unlike: str) -> Any:
    """Return an example that stays valid, marked wherever it takes any text.

    Args:
        document: JSON.
        unlike: makes what has to be unique differ from another document's.
    """
    if isinstance(document, Mapping):
        return {
            key: _BY_FIELD[key] if key in _BY_FIELD else marked(each, unlike=unlike)
            for key, each in document.items()
        } | _unique(document, unlike)
    if isinstance(document, list):
        return [marked(each, unlike=unlike) for each in document]
    return document


def _unique(document: Mapping[str, Any], unlike: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if "email" in document:
        found["email"] = f"canary.bird@{unlike}.leak.example"
    if "name" in document:
        of_person = "email" in document and "kind" not in document
        found["name"] = f"{PERSON if of_person else TEXT} {unlike}"
    if "serial_number" in document:
        found["serial_number"] = f"{TEXT} {unlike}"
    return found


def spoilt(document: Any) -> Any:
    """Return the document with a canary for every value, so that few are valid."""
    if isinstance(document, Mapping):
        return {key: spoilt(each) for key, each in document.items()}
    if isinstance(document, list):
        return [spoilt(each) for each in document] or [EVERYTHING]
    return EVERYTHING


def in_path() -> str:
    """Return a part of a path that holds all of them."""
    return quote(EVERYTHING, safe="")


def headers() -> dict[str, str]:
    """Return headers that are read or passed over, each with canaries."""
    return {
        "Cookie": f"session={TOKEN}",
        "Referer": f"https://{ADDRESS}/?token={TOKEN}",
        "X-Forwarded-For": PERSON,
        "X-Request-Id": f"{TOKEN} {PERSON}{_BREAK}",
        "traceparent": f"00-{TOKEN}-{PERSON}-01",
        "tracestate": f"canary={TOKEN}",
    }


@dataclass
class Watch:
    """What the application wrote for those who run it."""

    log: StringIO
    spans: InMemorySpanExporter
    answers: list[httpx.Response] = field(default_factory=list[httpx.Response])

    def lines(self) -> list[str]:
        """Return the lines of the log."""
        return self.log.getvalue().splitlines()

    def escaped(self) -> dict[str, list[str]]:
        """Return where canaries were found that must not be there."""
        problems = [
            answer.text
            for answer in self.answers
            if answer.headers.get("content-type") == "application/problem+json"
        ]
        heads = [str(answer.headers.multi_items()) for answer in self.answers]
        spans = [told_of(span) for span in self.spans.get_finished_spans()]
        return {
            "log": found_in(self.lines()),
            "problems": found_in(problems, SECRET_OR_PERSONAL),
            "headers": found_in(heads),
            "spans": found_in(spans),
        }

    def forged(self) -> list[str]:
        """Return the lines that are no record of ours."""
        return [line for line in self.lines() if not _is_ours(line)]


def _is_ours(line: str) -> bool:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(record, dict) and record.get("event") != FORGED


def told_of(span: ReadableSpan) -> str:
    """Return all that a span would tell whoever collects it."""
    events = [(event.name, dict(event.attributes or {})) for event in span.events]
    told = (span.name, dict(span.attributes or {}), events, span.status.description)
    return repr(told) + repr(span.context.trace_state if span.context else None)


def found_in(texts: Sequence[str], canaries: Sequence[str] = ALL) -> list[str]:
    """Return the texts that hold a canary, shortened to what is around it."""
    return [
        f"...{text[max(0, at - 160) : at + 80]}..."
        for text in texts
        for at in [_place(text, canaries)]
        if at is not None
    ]


def _place(text: str, canaries: Sequence[str]) -> int | None:
    places = [found.start() for each in canaries for found in _find(each, text)]
    return min(places, default=None)


def _find(canary: str, text: str) -> Iterator[re.Match[str]]:
    """Find it, also as a URL writes it, in any case."""
    for written in {canary, quote(canary), canary.replace(" ", "+")}:
        yield from re.finditer(re.escape(written), text, re.IGNORECASE)


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Log and trace as production does, into memory."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("robosure"))
    root = logging.getLogger()
    handlers, level, kept = root.handlers[:], root.level, structlog.get_config()
    configure_logging(Settings(_env_file=None, log_level="DEBUG"))
    structlog.configure(cache_logger_on_first_use=False)
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    log = StringIO()
    handler.setStream(log)
    try:
        yield Watch(log, exporter)
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.configure(**kept)
