"""Schemathesis, as one client of a test's application: what it sends, what it finds."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import schemathesis
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER
from starlette.types import Message, Receive, Scope, Send

_SEED: Final = 20_260_302
_CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
_STREAM_SECONDS: Final = 0.05
"""For how long an answer without end is read."""

Known = Mapping[str, Sequence[str]]
"""What exists, by the names under which paths, queries and bodies mention it."""


@dataclass
class Findings:
    """What a run came upon.

    Attributes:
        failures: what was wrong, and how to ask for it again, each once.
        answers: how often each operation answered with each status.
    """

    failures: dict[str, str] = field(default_factory=dict[str, str])
    answers: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])

    @property
    def asked(self) -> set[str]:
        """The operations that were asked."""
        return {operation for operation, _ in self.answers}

    @property
    def served(self) -> set[str]:
        """The operations that did, at least once, what was asked of them."""
        return {operation for operation, status in self.answers if status < 300}


async def fuzz(
    app: FastAPI,
    headers: Mapping[str, str],
    *,
    known: Known,
    examples: int,
    limits_of: Collection[str],
) -> Findings:
    """Send every operation what its description allows, and what it does not.

    Args:
        app: the application, opened in this event loop.
        headers: what proves who asks; empty for someone who is not signed in.
        known: what exists; takes the place of what is made up, half of the time.
        examples: how many requests are made up per operation, besides the document's
            own examples.
        limits_of: the operations of which every limit of every value is tried too, and
            every method; some fifty requests each.
    """
    schema = schemathesis.openapi.from_dict(
        orjson.loads(orjson.dumps(app.openapi())),
        config=_config(headers, examples, limits_of),
    )
    schema.app = _Bridge(app, asyncio.get_running_loop())
    return await asyncio.to_thread(_run, schema, known)


def _config(
    headers: Mapping[str, str], examples: int, limits_of: Collection[str]
) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": _SEED,
            "suppress-health-check": ["all"],
            "headers": dict(headers),
            "continue-on-failure": True,
            "generation": {
                "deterministic": True,
                "max-examples": examples,
                "no-shrink": True,
                # Proofs of who asks are made up for someone who has none.
                "with-security-parameters": not headers,
            },
            "checks": {"enabled": False, **{n: {"enabled": True} for n in _CHECKS}},
            "phases": {
                "coverage": {"enabled": False},
                "stateful": {"enabled": False},
            },
            "operations": [
                {
                    "include-name": sorted(limits_of),
                    "phases": {
                        "coverage": {
                            "enabled": True,
                            "generate-duplicate-query-parameters": True,
                        }
                    },
                }
            ]
            if limits_of
            else [],
        }
    )


@schemathesis.serializer("application/x-ndjson")
def _lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Write one value per line; what is text already, as it is."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return b"\n".join(map(orjson.dumps, value if isinstance(value, list) else [value]))


def _run(schema: Any, known: Known) -> Findings:
    findings = Findings()
    templates = list(schema.raw_schema["paths"])
    with _feeding(known):
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished):
                _note(event, findings, templates)
            elif isinstance(event, events.NonFatalError):
                findings.failures[f"{event.label}: {event.value}"] = repr(event.value)
            elif isinstance(event, events.FatalError):
                raise event.exception
    return findings


def _note(
    event: events.ScenarioFinished, findings: Findings, templates: Sequence[str]
) -> None:
    recorder = event.recorder
    for case_id, interaction in recorder.interactions.items():
        assert interaction.response is not None
        operation = recorder.cases[case_id].value.operation.label
        findings.answers[operation, interaction.response.status_code] += 1
    for case_id, checks in recorder.checks.items():
        case = recorder.cases[case_id].value
        for check in checks:
            if check.status is not Status.FAILURE or check.failure_info is None:
                continue
            if check.name == "unsupported_method" and _is_shared(case.path, templates):
                continue
            failure = check.failure_info.failure
            name = f"{failure.operation}: {failure.title} {failure._unique_key}"
            how = f"{failure.message}\n{check.failure_info.code_sample}"
            findings.failures.setdefault(name, how)


def _is_shared(path: str, templates: Sequence[str]) -> bool:
    """Whether a path is one of another's as well, which may know other methods.

    ``PATCH /dead-letters/kinds`` changes the letter of that id, as far as one can tell.
    """
    patterns = [re.sub(r"\{\w+\}", "[^/]+", each) for each in templates if each != path]
    return any(re.fullmatch(pattern, path) for pattern in patterns)


@contextmanager
def _feeding(known: Known) -> Iterator[None]:
    """Put what exists in the place of what is made up, in every other request."""

    def before_call(
        context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: Any
    ) -> None:
        if _digest(repr((case.path_parameters, case.query, case.body))) % 2:
            case.path_parameters = _fed(case.path_parameters, known)
            case.query = _fed(case.query, known)
            case.body = _fed(case.body, known)

    schemathesis.hook(before_call)
    try:
        yield
    finally:
        GLOBAL_HOOK_DISPATCHER.unregister(before_call)


def _fed(value: Any, known: Known, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _fed(each, known, str(key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_fed(each, known, name.removesuffix("s")) for each in value]
    if isinstance(value, str) and (there := known.get(name)):
        return there[_digest(value) % len(there)]
    return value


def _digest(made_up: str) -> int:
    """Return what decides; the same in every run, as ``hash`` is not."""
    return zlib.crc32(made_up.encode("utf-8", "surrogatepass"))


class _Bridge:
    """The application, called from the thread in which Schemathesis runs.

    Its connections to PostgreSQL and Redis belong to the loop of the test.
    """

    def __init__(self, app: FastAPI, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return  # the application lives already
        exchange = self._exchange(scope, await receive())
        answer = asyncio.run_coroutine_threadsafe(exchange, self._loop)
        for message in await asyncio.wrap_future(answer):
            await send(message)

    async def _exchange(self, scope: Scope, body: Message) -> list[Message]:
        sent: list[Message] = []
        waiting = [body]

        async def receive() -> Message:
            if waiting:
                return waiting.pop()
            # Whoever reads a stream goes away; any other answer is there by then, or
            # is not looked after, for only streams listen for it.
            await asyncio.sleep(_STREAM_SECONDS)
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        if sent[-1].get("more_body", False):
            sent.append({"type": "http.response.body", "body": b""})
        return sent
