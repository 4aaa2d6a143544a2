"""Idempotency-Key: a POST that is repeated has one effect and one answer.

The answer is stored in the transaction of the effect, so neither can exist without the
other. Same key and same request: the stored answer again. Same key, another request:
422. The first one still in flight: 409, and when to come again. A key is its
principal's own, and after :data:`KEPT` it is free again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from sqlalchemy import (
    Column,
    DateTime,
    Index,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from robosure.kernel.errors import Invalid, InvalidState, Malformed
from robosure.platform.database.mapping import PLATFORM_SCHEMA, metadata
from robosure.platform.database.session import WriteSession
from robosure.platform.http.access import Requires, SignedIn, access_of, authenticate
from robosure.platform.http.edge import EdgeDep, WriteDb
from robosure.platform.http.idempotency_key import NAME, IdempotencyKey
from robosure.platform.security import Principal

KEPT: Final = timedelta(hours=24)
"""How long an answer is kept; the same key then begins something new."""
_RETRY_AFTER_SECONDS: Final = 1

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("subject", Uuid, primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", Text, nullable=False),
    Column(
        "created_at", DateTime(timezone=True), nullable=False, server_default=func.now()
    ),
    Index("ix_idempotency_keys_created_at", "created_at"),
    schema=PLATFORM_SCHEMA,
)


@dataclass(frozen=True)
class _Claim:
    """A key that this request is the first to use."""

    session: WriteSession
    subject: Principal
    key: str
    fingerprint: str


class _AnsweredBeforeError(Exception):
    """Carries the stored answer past the endpoint."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


async def _claim(
    request: Request,
    session: WriteDb,
    edge: EdgeDep,
    principal: Annotated[Principal, Depends(authenticate)],
    key: IdempotencyKey = None,
) -> None:
    if key is None:
        return
    # Its guards may come later, and who may no longer is told no answer from before.
    for access in access_of(request.scope["route"].dependant):
        if isinstance(access, (Requires, SignedIn)):
            await access(edge, principal)
    if len(request.headers.getlist(NAME)) > 1:
        raise Malformed("invalid_idempotency_key", reason="more than one")
    fingerprint = await _fingerprint(request)
    lock = func.hashtextextended(f"{principal.subject}:{key}", 0)
    locked = await session.execute(select(func.pg_try_advisory_xact_lock(lock)))
    if not locked.scalar_one():
        raise InvalidState(
            "idempotency_key_in_flight",
            key=key,
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        )
    stored = (
        await session.execute(
            select(idempotency_keys).where(
                idempotency_keys.c.subject == principal.subject,
                idempotency_keys.c.key == key,
                idempotency_keys.c.created_at > func.now() - KEPT,
            )
        )
    ).first()
    if stored is None:
        request.state.claim = _Claim(session, principal, key, fingerprint)
    elif stored.fingerprint != fingerprint:
        raise Invalid("idempotency_key_reused", key=key)
    else:
        request.state.unchanged = True
        raise _AnsweredBeforeError(_stored_response(stored))


Idempotent: Any = Depends(_claim)
"""Route dependency: ``dependencies=[requires("quotes:write"), Idempotent]``."""


async def _fingerprint(request: Request) -> str:
    body = await request.body()
    parts = (request.method, request.url.path, request.url.query)
    return hashlib.sha256("\n".join(parts).encode() + b"\n" + body).hexdigest()


def _stored_response(row: Any) -> Response:
    headers = {**row.headers, "Idempotency-Replayed": "true"}
    return Response(base64.b64decode(row.body), row.status, headers=headers)


class _Route(APIRoute):
    """Stores the answer to a claimed key before the transaction commits."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if NAME in request.headers:
                await request.body()  # kept, for the fingerprint of a parsed form
            try:
                response = await answer(request)
            except _AnsweredBeforeError as before:
                return before.response
            claim: _Claim | None = getattr(request.state, "claim", None)
            if claim is not None:
                await _store(claim, response)
            return response

        return handle


async def _store(claim: _Claim, response: Response) -> None:
    kept = {"content-type", "location", "etag"}
    answer = {
        "fingerprint": claim.fingerprint,
        "status": response.status_code,
        "headers": {k: v for k, v in response.headers.items() if k in kept},
        "body": base64.b64encode(bytes(response.body)).decode(),
    }
    # One that is there already is past its time, and was not swept away yet.
    await claim.session.execute(
        insert(idempotency_keys)
        .values(subject=claim.subject.subject, key=claim.key, **answer)
        .on_conflict_do_update(
            constraint=idempotency_keys.primary_key,
            set_={**answer, "created_at": func.now()},
        )
    )


class ApiRouter(APIRouter):
    """A context's router; its routes understand ``Idempotent``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=_Route, **options)
