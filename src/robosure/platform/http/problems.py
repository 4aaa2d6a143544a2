"""Errors as RFC 9457 problem documents: one table from kinds to statuses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, cast

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.exceptions import HTTPException

from robosure.kernel.errors import DomainError, ErrorKind
from robosure.platform.http.edge import methods_at, template_of
from robosure.platform.http.idempotency_key import NAME as IDEMPOTENCY_KEY
from robosure.platform.http.refusals import (
    INPUT_REFUSED,
    note_refused_input,
    note_security_event,
)
from robosure.platform.logging import get_logger, masked
from robosure.platform.metrics import APP_ERRORS
from robosure.platform.outages import (
    DATA_EXCEPTION,
    infrastructure_is_away,
    sqlstate_of,
)

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_AFTER_SECONDS: Final = {ErrorKind.NOT_YET_KNOWN: "1", ErrorKind.UNAVAILABLE: "5"}
_NAME: Final = re.compile(
    r"[A-Za-z_][A-Za-z0-9_]{0,63}|[A-Z][A-Za-z]*(?:-[A-Z][A-Za-z]*)+"
)
_NOT_A_NAME: Final = "?"
STATUS: Final[Mapping[ErrorKind, HTTPStatus]] = {
    ErrorKind.MALFORMED: HTTPStatus.BAD_REQUEST,
    ErrorKind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorKind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorKind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorKind.CONFLICT: HTTPStatus.CONFLICT,
    ErrorKind.STALE: HTTPStatus.CONFLICT,
    ErrorKind.NOT_YET_KNOWN: HTTPStatus.CONFLICT,
    ErrorKind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorKind.LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorKind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


class FieldProblem(BaseModel):
    """One field that is wrong."""

    model_config = ConfigDict(from_attributes=True)

    field: str = Field(
        description="Where: a path such as body.term.expiry; for a rule of the "
        "business, within what it judges, such as timestamp.time_zone."
    )
    code: str = Field(description="Stable name of the rule that it breaks.")
    detail: str = Field(description="The rule, in words.")


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(examples=["https://robosure.dev/problems/quote_expired"])
    title: str = Field(examples=["Quote expired"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["quote expired (valid_until=2026-03-01)"])
    code: str = Field(
        description="Stable; made for programs.", examples=["quote_expired"]
    )
    request_id: str | None = Field(description="Quote it to support.")
    context: dict[str, Any] = Field(description="The facts behind the detail.")
    errors: list[FieldProblem] = Field(description="Per field, where fields are wrong.")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe a route's error answers in OpenAPI; 401 and 403 go without saying."""
    return {
        status: {"model": Problem, "description": HTTPStatus(status).phrase}
        for status in sorted({401, 403, *statuses})
    }


def example_of(status: int) -> dict[str, Any]:
    """Return a problem document with that status, to show."""
    phrase = HTTPStatus(status).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    return _document(
        status, code=code, detail=phrase, request_id="01a1fc…"
    ).model_dump()


def install(app: FastAPI) -> None:
    """Make the application answer every error with a problem document."""
    app.add_exception_handler(DomainError, problem_of)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_exception)
    for beneath in (SQLAlchemyError, RedisError, OSError):
        app.add_exception_handler(beneath, _failure_beneath)


async def problem_of(request: Request, error: Exception) -> Response:
    """Answer a request that the business, or the edge, refuses."""
    if not isinstance(error, DomainError):
        raise error
    status = STATUS[error.kind]
    if error.kind is ErrorKind.STALE and "if-match" in request.headers:
        status = HTTPStatus.PRECONDITION_FAILED
    note_security_event(request, error)
    if error.kind is ErrorKind.CONFLICT:  # which is no race, but what may not be done
        note_refused_input(request.scope, error.code)
    headers: dict[str, str] = {}
    if error.kind in _RETRY_AFTER_SECONDS:
        headers["Retry-After"] = _RETRY_AFTER_SECONDS[error.kind]
    if "retry_after_seconds" in error.details:
        headers["Retry-After"] = str(error.details["retry_after_seconds"])
    if error.kind is ErrorKind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = _challenge(error)
    shown = {key: masked(key, _plain(each)) for key, each in error.details.items()}
    return problem_response(
        request.scope,
        status,
        code=error.code,
        detail=error.sentence(shown),
        context=shown,
        errors=[FieldProblem.model_validate(each) for each in error.errors],
        headers=headers,
    )


def _challenge(error: DomainError) -> str:
    """Say what would help: another token, or one of a fresher sign-in (RFC 9470)."""
    if "max_age" in error.details:
        return f'Bearer error="{error.code}", max_age={error.details["max_age"]}'
    return "Bearer"


async def _invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = [
        FieldProblem(
            field=".".join(_named(part) for part in each["loc"]),
            code=str(each["type"]),
            detail=str(each["msg"]),
        )
        for each in error.errors()
    ]
    code = "invalid_request"
    if any(each.field == f"header.{IDEMPOTENCY_KEY}" for each in found):
        code = "invalid_idempotency_key"
    elif any(each.code == "json_invalid" for each in found):
        code = "malformed_json"
    readable = code == "invalid_request"
    return problem_response(
        request.scope,
        HTTPStatus.UNPROCESSABLE_ENTITY if readable else HTTPStatus.BAD_REQUEST,
        code=code,
        detail="; ".join(f"{each.field}: {each.detail}" for each in found[:3]),
        errors=found,
    )


def _named(part: str | int) -> str:
    """Return a step of the way to a field, unless it is a value in a name's place.

    What the caller made up is told as well, so that a slip of the pen is found.
    """
    named = isinstance(part, int) or _NAME.fullmatch(part)
    return str(part) if named else _NOT_A_NAME


async def _http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(methods_at(request))
    return problem_response(
        request.scope,
        error.status_code,
        code=phrase.lower().replace(" ", "_").replace("-", "_"),
        detail=error.detail or phrase,
        headers=headers,
    )


async def _failure_beneath(request: Request, error: Exception) -> Response:
    """Tell a server that is away and a value at fault from what we did wrong."""
    if infrastructure_is_away(error):
        return await _dependency_away(request, error)
    if isinstance(error, DBAPIError) and sqlstate_of(error).startswith(DATA_EXCEPTION):
        return _unstorable_value(request)
    raise error


def _unstorable_value(request: Request) -> Response:
    """Refuse what PostgreSQL cannot hold, such as a NUL in a text."""
    return problem_response(
        request.scope,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        code="unstorable_value",
        detail="a value cannot be stored: a NUL character, or a number out of range",
    )


async def _dependency_away(request: Request, error: Exception) -> Response:
    get_logger().warning("platform.http.dependency_away", reason=str(error)[:300])
    return problem_response(
        request.scope,
        HTTPStatus.SERVICE_UNAVAILABLE,
        code="dependency_unavailable",
        detail="a server this depends on does not answer; try again shortly",
        headers={"Retry-After": "2"},
    )


def problem_response(
    scope: Any,
    status: int,
    *,
    code: str,
    detail: str,
    context: Mapping[str, object] | None = None,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build the answer, and count it; note input that is refused by it."""
    APP_ERRORS.labels(code, template_of(scope)).inc()
    if status in INPUT_REFUSED:
        note_refused_input(scope, code)
    document = _document(
        status,
        code=code,
        detail=detail,
        request_id=scope.get("state", {}).get("request_id"),
        context=context,
        errors=errors,
    )
    return Response(
        orjson.dumps(document.model_dump(mode="json")),
        status_code=int(status),
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def _document(
    status: int,
    *,
    code: str,
    detail: str,
    request_id: str | None,
    context: Mapping[str, object] | None = None,
    errors: Sequence[FieldProblem] = (),
) -> Problem:
    return Problem(
        type=f"https://robosure.dev/problems/{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
        context={key: _plain(value) for key, value in (context or {}).items()},
        errors=list(errors),
    )


def _plain(value: object) -> object:
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[object]", value)
        return [_plain(item) for item in items]
    return value if isinstance(value, (str, int, bool)) else str(value)
